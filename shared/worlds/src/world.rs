//! A world: programs, SQS and S3, disks, one clock, and faults.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use aws_sdk_sqs::types::QueueAttributeName;
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use clap::Parser;
use http::Response;
use hyper::body::Bytes;
use local_aws::{Aws, BUCKET, LocalAws, Pipe};
use parking_lot::Mutex;
use serde_json::Value;
use shared::disk::Disk;
use shared::surroundings::Surroundings;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, info_span};

use crate::Args;
use crate::disk::{Platter, ProgramDisk};
use crate::files::{self, Content};
use crate::history;
use crate::ledger::{Announced, Ledger};
use crate::luck::Luck;
use crate::network::{self, Request};
use crate::plan::{Fault, Kind, Plan};

/// The state that all parts of a world share.
#[derive(Debug)]
pub struct World {
    pub plan: Plan,
    pub luck: Luck,
    pub ledger: Ledger,
    began: Instant,
    /// From then on nothing goes wrong any more.
    calm: Instant,
    faults: AtomicU64,
    lives: AtomicU64,
    /// By key, in the order in which they were put.
    versions: Mutex<BTreeMap<String, Vec<Version>>>,
    /// One after the other, so that the versions are in S3's order.
    putting: tokio::sync::Mutex<()>,
    disks: Vec<Arc<Platter>>,
    /// The program that runs on each machine.
    programs: Mutex<Vec<Option<Arc<Program>>>>,
    aws: Aws,
    tells: bool,
}

/// A version of an object.
#[derive(Clone, Debug)]
struct Version {
    object: Announced,
    content: Content,
    /// Whether it was deleted, or replaced in a bucket without versions, or its message was purged.
    is_gone: bool,
}

/// One life of a program: from its start until it ends or is killed.
#[derive(Debug)]
pub struct Program {
    pub life: u64,
    pub platter: Arc<Platter>,
    dead: CancellationToken,
    stop: CancellationToken,
    cut_off_until: Mutex<Instant>,
    last_fault: Mutex<Option<Instant>>,
}

/// The SDK's clock: the world's.
#[derive(Debug)]
struct Clock(SystemTime, Instant);

impl TimeSource for Clock {
    fn now(&self) -> SystemTime {
        self.0 + self.1.elapsed()
    }
}

/// A bucket that announces nothing.
const UNANNOUNCED: &str = "by.hand";
/// A bucket that the programs may not read.
const NOT_OURS: &str = "not.ours";
/// How long a program may need to get over a fault: deletions are tried for five minutes.
const RECOVERY: Duration = Duration::from_mins(6);
/// How long a program has for the remaining work once the faults are over. A retry can wait for a quarter of an hour.
const PATIENCE: Duration = Duration::from_hours(1);

impl Program {
    pub fn name(&self) -> String {
        history::name(self.life)
    }

    pub fn is_dead(&self) -> bool {
        self.dead.is_cancelled()
    }

    pub fn last_fault(&self) -> Option<Instant> {
        *self.last_fault.lock()
    }

    /// Whether it has met no fault for so long that it must have got over the last one.
    fn is_well(&self) -> bool {
        self.last_fault().is_none_or(|at| at.elapsed() > RECOVERY)
    }

    /// Waits while the network is cut off. A dead program waits for ever.
    pub async fn connected(&self) {
        loop {
            let until = *self.cut_off_until.lock();
            if until <= Instant::now() {
                break;
            }
            sleep_until(until).await;
        }
        if self.is_dead() {
            std::future::pending::<()>().await;
        }
    }
}

/// Runs a world to its end, and returns the violations of its rules.
pub async fn run(plan: Plan, tells: bool) -> anyhow::Result<(Vec<String>, Duration)> {
    shared::init_with("")?;
    let began = Instant::now();
    history::begin();
    let mut pipe = None;
    let local = LocalAws::start_through("queue", |to_server| {
        pipe = Some(to_server.clone());
        network::direct(to_server)
    })
    .await?;
    let pipe = pipe.expect("it was called");
    let disks = if plan.shared_disk { 1 } else { plan.machines };
    let world = Arc::new(World {
        luck: Luck::of(plan.seed.wrapping_add(1)),
        ledger: Ledger::default(),
        began,
        calm: began + plan.turmoil,
        faults: AtomicU64::new(0),
        lives: AtomicU64::new(0),
        versions: Mutex::default(),
        putting: tokio::sync::Mutex::default(),
        disks: (0..disks).map(|_| Arc::default()).collect(),
        programs: Mutex::new((0..plan.machines).map(|_| None).collect()),
        aws: local.aws().clone(),
        tells,
        plan,
    });
    let hears = world.clone();
    history::hear(move |life, key| hears.ledger.processed(life, key));
    let dead_letters = world.set_up().await?;
    let machines: Vec<_> = (0..world.plan.machines)
        .map(|machine| {
            let (world, pipe) = (world.clone(), pipe.clone());
            let config = local.sdk_config().clone();
            let machine = usize::try_from(machine).unwrap_or(0);
            tokio::spawn(async move { world.keep_running(machine, &pipe, &config).await })
        })
        .collect();
    let turmoil = tokio::spawn(world.clone().turmoil());
    world.upload().await?;
    turmoil.await??;
    sleep_until(world.calm).await;
    world.tell("all is well again");
    if world.faults() > 0 {
        sleep(RECOVERY).await;
    }

    let all_done = world.clone();
    let is_idle = timeout(PATIENCE, async move {
        while all_done.left_in_queue().await != 0 {
            sleep(Duration::from_secs(5)).await;
        }
    });
    if is_idle.await.is_err() {
        let left = world.left_in_queue().await;
        world.ledger.object_to(format!("after an hour without faults {left} messages are left"));
    }
    world.stop_all();
    for machine in machines {
        if timeout(Duration::from_mins(5), machine).await.is_err() {
            world.ledger.object_to("a program was told to stop, and does not end".to_owned());
        }
    }
    let dead = world.dead_letters(dead_letters.as_deref()).await?;
    world.judge(&dead);
    Ok((world.ledger.violations(), began.elapsed()))
}

impl World {
    pub fn tell(&self, what: impl std::fmt::Display) {
        if self.tells {
            history::tell(what);
        }
    }

    /// How many faults there were so far.
    pub fn faults(&self) -> u64 {
        self.faults.load(Relaxed)
    }

    /// Whether there is one more fault.
    fn another_fault(&self) -> bool {
        Instant::now() < self.calm && self.faults.fetch_add(1, Relaxed) < self.plan.most_faults
    }

    async fn set_up(&self) -> anyhow::Result<Option<String>> {
        let Aws { queue, s3 } = &self.aws;
        for bucket in [UNANNOUNCED, NOT_OURS] {
            s3.create_bucket().bucket(bucket).send().await?;
        }
        if self.plan.versioned {
            let enabled = aws_sdk_s3::types::VersioningConfiguration::builder()
                .status(aws_sdk_s3::types::BucketVersioningStatus::Enabled);
            let put = s3.put_bucket_versioning().bucket(BUCKET);
            put.versioning_configuration(enabled.build()).send().await?;
        }
        let Some(after) = self.plan.dead_letters_after else { return Ok(None) };
        let created = queue.client.create_queue().queue_name("dead").send().await?;
        let url = created.queue_url.unwrap_or_default();
        let policy = serde_json::json!({
            "deadLetterTargetArn": format!("arn:aws:sqs:{}:{}:dead", local_aws::REGION, local_aws::ACCOUNT),
            "maxReceiveCount": after
        });
        let set = queue.client.set_queue_attributes().queue_url(&queue.url);
        set.attributes(QueueAttributeName::RedrivePolicy, policy.to_string()).send().await?;
        Ok(Some(url))
    }

    // Files.

    /// Whether a message that can never be processed leaves the queue.
    fn can_be_bad(&self) -> bool {
        self.plan.dead_letters_after.is_some_and(|after| after < 100)
    }

    /// Puts all files into the bucket, some at the beginning, the others while everything goes wrong.
    async fn upload(&self) -> anyhow::Result<()> {
        for number in 0..self.plan.files {
            if self.luck.happens(0.4) {
                let milliseconds = self.plan.turmoil.as_secs() * 1000 / self.plan.files;
                sleep(self.luck.milliseconds(0..milliseconds + 1)).await;
            }
            if self.can_be_bad() && self.luck.happens(0.05) {
                self.pry().await?;
            }
            if self.luck.happens(0.1) {
                self.put_together(number).await?;
            } else {
                self.put(files::key(&self.luck, number)).await?;
            }
        }
        Ok(())
    }

    /// Puts two objects into a bucket that announces nothing, and sends one message about both, or two.
    async fn put_together(&self, number: u64) -> anyhow::Result<()> {
        let mut records = Vec::new();
        for part in ["one", "other"] {
            let key = format!("{number}/{part} of two.gz");
            let object = self.put_into(UNANNOUNCED, key).await?;
            let key = object.key.replace(' ', "+");
            records.push(serde_json::json!({
                "eventName": "ObjectCreated:Put",
                "s3": { "bucket": { "name": UNANNOUNCED }, "object": { "key": key, "eTag": object.etag } }
            }));
        }
        let body = serde_json::json!({ "Records": records }).to_string();
        for _ in 0..=self.luck.pick(0..2) {
            let queue = &self.aws.queue;
            let send = queue.client.send_message().queue_url(&queue.url);
            send.message_body(&body).send().await?;
        }
        Ok(())
    }

    /// A stranger sends a message about a bucket that is none of the programs' business. A result of it would be wrong.
    async fn pry(&self) -> anyhow::Result<()> {
        let Aws { queue, s3 } = &self.aws;
        s3.put_object().bucket(NOT_OURS).key("secret").body(b"1\n".to_vec().into()).send().await?;
        let body = serde_json::json!({ "Records": [{
            "eventName": "ObjectCreated:Put",
            "s3": { "bucket": { "name": NOT_OURS }, "object": { "key": "secret" } }
        }] });
        let send = queue.client.send_message().queue_url(&queue.url);
        send.message_body(body.to_string()).send().await?;
        Ok(())
    }

    async fn put(&self, key: String) -> anyhow::Result<()> {
        self.put_into(BUCKET, key).await.map(drop)
    }

    async fn put_into(&self, bucket: &str, key: String) -> anyhow::Result<Announced> {
        let content = files::content(&self.luck, self.can_be_bad());
        let _putting = self.putting.lock().await;
        let put = self.aws.s3.put_object().bucket(bucket).key(&key);
        let answer = put.body(content.bytes.clone().into()).send().await?;
        let etag = answer.e_tag.unwrap_or_default().trim_matches('"').to_owned();
        self.tell(format_args!("{key} is put: {} lines, {etag}", content.lines));
        let object = Announced { key: key.clone(), etag, version_id: answer.version_id };
        let mut versions = self.versions.lock();
        let versions = versions.entry(key).or_default();
        if !self.plan.versioned {
            for version in versions.iter_mut() {
                version.is_gone = true;
            }
        }
        versions.push(Version { object: object.clone(), content, is_gone: false });
        Ok(object)
    }

    async fn delete(&self, key: &str) -> anyhow::Result<()> {
        let _putting = self.putting.lock().await;
        let version = {
            let mut versions = self.versions.lock();
            let Some(latest) = versions.get_mut(key).and_then(|all| all.last_mut()) else {
                return Ok(());
            };
            latest.is_gone = true;
            latest.object.version_id.clone()
        };
        self.tell(format_args!("{key} is deleted"));
        let delete = self.aws.s3.delete_object().bucket(BUCKET).key(key);
        delete.set_version_id(version).send().await?;
        Ok(())
    }

    /// Whether the object can be read as far as its content goes.
    pub fn is_good(&self, object: &Announced) -> bool {
        let versions = self.versions.lock();
        let mut versions = versions.get(&object.key).into_iter().flatten();
        versions.find(|version| version.object == *object).is_none_or(|it| it.content.is_good)
    }

    /// Whether a right result of this version, or of a later one of the same key, would survive a power failure.
    pub fn is_done(&self, object: &Announced) -> bool {
        let versions = self.versions.lock();
        let Some(versions) = versions.get(&object.key) else { return false };
        let at = versions.iter().position(|version| version.object == *object).unwrap_or(0);
        let from = if self.plan.versioned { &versions[at..=at] } else { &versions[at..] };
        let files = self.disks.iter().flat_map(|disk| disk.durable());
        let results =
            files.filter_map(|(_, content)| serde_json::from_slice::<Value>(&content).ok());
        let results: Vec<_> = results.filter(|result| result["key"] == *object.key).collect();
        from.iter().any(|version| results.iter().any(|result| version.is_told_by(result)))
    }

    // Programs.

    /// Starts a program on this machine, and again whenever it has ended, until the end of the world.
    async fn keep_running(
        self: Arc<Self>,
        machine: usize,
        pipe: &Pipe,
        config: &aws_types::SdkConfig,
    ) {
        while !self.is_over() {
            let program = Arc::new(Program {
                life: self.lives.fetch_add(1, Relaxed) + 1,
                platter: self.disks[machine % self.disks.len()].clone(),
                dead: CancellationToken::new(),
                stop: CancellationToken::new(),
                cut_off_until: Mutex::new(Instant::now()),
                last_fault: Mutex::default(),
            });
            self.programs.lock()[machine] = Some(program.clone());
            self.tell(format_args!("{} starts on machine {}", program.name(), machine + 1));
            self.live(&program, pipe, config).await;
            sleep(self.luck.milliseconds(0..20_000)).await;
        }
    }

    /// Runs a program until it ends or is killed.
    async fn live(
        self: &Arc<Self>,
        program: &Arc<Program>,
        pipe: &Pipe,
        config: &aws_types::SdkConfig,
    ) {
        let disk: Arc<dyn Disk> =
            Arc::new(ProgramDisk { world: self.clone(), program: program.clone() });
        let config = config.to_builder();
        let config = config
            .http_client(network::client(self, program, pipe))
            .time_source(SharedTimeSource::new(Clock(SystemTime::now(), self.began)))
            .build();
        let queue_url = self.aws.queue.url.clone();
        let stop = program.stop.clone();
        let surroundings = Surroundings { sdk_config: config, queue_url, disk, stop };
        let plan = &self.plan;
        let fixed = |number: u64| if plan.auto { "auto".to_owned() } else { number.to_string() };
        let args = Args::parse_from([
            "step09".to_owned(),
            format!("--pipelines={}", fixed(plan.pipelines)),
            format!("--max-demand={}", fixed(plan.max_demand)),
            format!("--visibility-timeout={}", plan.visibility_timeout),
            format!("--stop-limit={}", plan.stop_limit),
            format!("--allow-bucket={BUCKET},{UNANNOUNCED}"),
            "--retry-wait=1".to_owned(),
            "--wait=20".to_owned(),
        ]);
        let span = info_span!("program", life = program.life);
        let main = tokio::spawn(surroundings.run(crate::run(args)).instrument(span));
        let ended = tokio::select! {
            ended = main => ended,
            () = program.dead.cancelled() => return,
        };
        let name = program.name();
        self.tell(format_args!("{name} ends: {ended:?}"));
        match ended {
            Ok(Ok(())) if program.stop.is_cancelled() && program.is_well() => {
                self.ledger.has_stopped(program);
            }
            Ok(Ok(())) if program.stop.is_cancelled() => {}
            // It could not even connect.
            Ok(Err(_)) if !program.is_well() => {}
            ended => self.ledger.object_to(format!("{name} ended by itself: {ended:?}")),
        }
        // With the process, its tasks end.
        program.dead.cancel();
    }

    /// When this life met its last fault or began, if it lasts and has got over that.
    pub fn well_since(&self, life: u64) -> Option<Instant> {
        let programs = self.programs.lock();
        let program = programs.iter().flatten().find(|it| it.life == life)?;
        let is_well = !program.is_dead() && program.is_well();
        is_well.then(|| program.last_fault().unwrap_or(self.began))
    }

    fn is_over(&self) -> bool {
        self.programs.lock().is_empty()
    }

    fn stop_all(&self) {
        for program in self.programs.lock().drain(..).flatten() {
            self.tell(format_args!("{} gets SIGTERM", program.name()));
            program.stop.cancel();
        }
    }

    /// As `kill -9` does. Its writes stay.
    pub fn kill(&self, program: &Program) {
        self.tell(format_args!("{} is killed", program.name()));
        program.dead.cancel();
    }

    // Faults.

    /// Everything that goes wrong by itself, and not because of a request.
    async fn turmoil(self: Arc<Self>) -> anyhow::Result<()> {
        let plan = &self.plan;
        let longest = plan.turmoil.as_secs() * 1000 / 3;
        loop {
            sleep(self.luck.milliseconds(100..longest.max(200))).await;
            if Instant::now() >= self.calm {
                return Ok(());
            }
            let kind = *self.luck.one_of(&[Kind::Net, Kind::S3, Kind::Process, Kind::Operator]);
            if plan.has(kind) && self.another_fault() {
                self.strike(kind).await?;
            }
        }
    }

    async fn strike(&self, kind: Kind) -> anyhow::Result<()> {
        let programs: Vec<_> = self.programs.lock().iter().flatten().cloned().collect();
        let Some(program) = (!programs.is_empty()).then(|| self.luck.one_of(&programs)) else {
            return Ok(());
        };
        match kind {
            Kind::Net => {
                let time = self.luck.seconds(1..90);
                self.tell(format_args!("{} is cut off for {time:?}", program.name()));
                *program.cut_off_until.lock() = Instant::now() + time;
                *program.last_fault.lock() = Some(Instant::now() + time);
            }
            Kind::S3 => {
                let mut keys: Vec<_> = self.versions.lock().keys().cloned().collect();
                keys.retain(|key| !key.ends_with(" of two.gz"));
                if !keys.is_empty() {
                    let key = self.luck.one_of(&keys).clone();
                    if self.luck.happens(0.3) {
                        self.delete(&key).await?;
                    } else {
                        self.put(key).await?;
                    }
                }
            }
            Kind::Operator if self.luck.happens(0.2) => {
                self.tell("the queue is purged");
                let queue = &self.aws.queue;
                if queue.client.purge_queue().queue_url(&queue.url).send().await.is_err() {
                    return Ok(()); // It was purged less than a minute ago.
                }
                // No program will hear of them any more, unless one has the message already.
                let mut versions = self.versions.lock();
                for version in versions.values_mut().flatten() {
                    version.is_gone = true;
                }
            }
            Kind::Operator => {
                let timeout = *self.luck.one_of(&["1", "30", "600"]);
                self.tell(format_args!("the queue's visibility timeout is set to {timeout} s"));
                let queue = &self.aws.queue;
                let set = queue.client.set_queue_attributes().queue_url(&queue.url);
                set.attributes(QueueAttributeName::VisibilityTimeout, timeout).send().await?;
            }
            _ => match self.luck.pick(0..4) {
                0 => self.kill(program),
                1 => self.lose_power(program, &programs),
                how => {
                    self.tell(format_args!("{} gets SIGTERM", program.name()));
                    program.stop.cancel();
                    if how == 2 {
                        sleep(self.luck.milliseconds(0..5000)).await;
                        self.kill(program);
                    }
                }
            },
        }
        Ok(())
    }

    /// All programs on this disk die, and writes that were not forced are lost.
    fn lose_power(&self, program: &Program, programs: &[Arc<Program>]) {
        self.tell("the power fails");
        for other in programs.iter().filter(|other| Arc::ptr_eq(&other.platter, &program.platter)) {
            self.kill(other);
        }
        program.platter.lose_power(self);
    }

    /// The fault that a request of this program meets, if any.
    pub fn request_fault(&self, program: &Program, request: &Request) -> Option<Fault> {
        let part = |thousandths| u16::try_from(thousandths).unwrap_or(0);
        let mut possible = Vec::new();
        let is_batch = request.operation.ends_with("Batch");
        if self.plan.has(Kind::Net) {
            possible.extend([Fault::Refused, Fault::AnswerLost, Fault::Silence]);
            possible.push(Fault::Status(500, "InternalError"));
            possible.push(Fault::Status(503, "SlowDown"));
            possible.push(Fault::Status(403, "ExpiredToken"));
            if !request.is_sqs() {
                possible.push(Fault::BodyResets(part(self.luck.pick(0..1000))));
                possible.push(Fault::BodyStalls(part(self.luck.pick(0..1000))));
            }
        }
        if self.plan.has(Kind::Sqs) && is_batch {
            possible.extend([Fault::HalfFails; 3]);
        }
        if self.plan.has(Kind::Sqs) && request.operation == "ReceiveMessage" {
            possible.extend([Fault::VisibleAtOnce, Fault::Status(403, "OverLimit")]);
        }
        if self.plan.has(Kind::S3) && !request.is_sqs() {
            possible.push(Fault::Status(403, "AccessDenied"));
        }
        self.draw(program, &possible, request)
    }

    /// The fault that this step meets on the disk, if any.
    pub fn disk_fault(&self, program: &Program, step: &str) -> Option<Fault> {
        let mut possible = Vec::new();
        if self.plan.has(Kind::Disk) {
            possible.extend([Fault::DiskFull, Fault::ReadOnly, Fault::DiskError]);
        }
        if self.plan.has(Kind::Process) {
            possible.push(Fault::Kill);
        }
        self.draw(program, &possible, format_args!("the disk's step {step}"))
    }

    fn draw(
        &self,
        program: &Program,
        possible: &[Fault],
        what: impl std::fmt::Display,
    ) -> Option<Fault> {
        let is_hit = !possible.is_empty() && self.luck.pick(0..1000) < self.plan.per_mille;
        let fault = (is_hit && self.another_fault()).then(|| *self.luck.one_of(possible));
        match fault {
            Some(fault) => {
                *program.last_fault.lock() = Some(Instant::now());
                self.tell(format_args!("{}: {what}: {fault:?}", program.name()));
            }
            None => self.tell(format_args!("{}: {what}", program.name())),
        }
        fault
    }

    /// SQS or S3 answers a request.
    pub async fn server_acts(
        &self,
        program: &Program,
        request: &Request,
        answer: &Response<Bytes>,
        fault: Option<Fault>,
    ) {
        let excused = fault.is_some() || *program.cut_off_until.lock() > Instant::now();
        self.ledger.server_acts(self, program, request, answer, excused);
        if fault == Some(Fault::VisibleAtOnce)
            && let Ok(answer) = serde_json::from_slice::<Value>(answer.body())
            && let Some(handle) = answer["Messages"][0]["ReceiptHandle"].as_str()
        {
            let queue = &self.aws.queue;
            let change = queue.client.change_message_visibility().queue_url(&queue.url);
            // If it fails, the message stays hidden, which is no fault.
            let _ = change.receipt_handle(handle).visibility_timeout(0).send().await;
        }
    }

    /// Replaces the object that a request to S3 reads, while it is being read.
    pub async fn replace(&self, request: &Request) {
        let Some((BUCKET, key)) = request.path.split_once('/') else { return };
        if self.plan.has(Kind::S3) && self.luck.happens(0.7) {
            // If it fails, the object stays as it is, which is no fault.
            let _ = self.put(key.to_owned()).await;
        }
    }

    // The end.

    /// How many messages are in the queue, hidden or not.
    async fn left_in_queue(&self) -> u64 {
        use QueueAttributeName::{
            ApproximateNumberOfMessages as Visible, ApproximateNumberOfMessagesNotVisible as Hidden,
        };
        let queue = &self.aws.queue;
        let get = queue.client.get_queue_attributes().queue_url(&queue.url);
        let answer = get.attribute_names(Visible).attribute_names(Hidden).send().await;
        let attributes = answer.ok().and_then(|answer| answer.attributes).unwrap_or_default();
        let number = |name| attributes.get(name)?.parse::<u64>().ok();
        [Visible, Hidden].iter().filter_map(number).sum()
    }

    /// The objects that messages in the dead-letter queue announce.
    async fn dead_letters(&self, url: Option<&str>) -> anyhow::Result<Vec<Announced>> {
        let Some(url) = url else { return Ok(Vec::new()) };
        let mut dead = Vec::new();
        loop {
            let receive = self.aws.queue.client.receive_message().queue_url(url);
            let answer =
                receive.max_number_of_messages(10).visibility_timeout(43_200).send().await?;
            let messages = answer.messages.unwrap_or_default();
            if messages.is_empty() {
                return Ok(dead);
            }
            let bodies = messages.iter().filter_map(|message| message.body());
            dead.extend(bodies.flat_map(crate::ledger::announced));
        }
    }

    /// Each version of an object has a right result, or is in the dead-letter queue, or is gone. No result is wrong.
    fn judge(&self, dead: &[Announced]) {
        let versions: Vec<_> = self.versions.lock().values().flatten().cloned().collect();
        for Version { object, content, is_gone } in &versions {
            let is_dead = dead.contains(object);
            let is_over = *is_gone || self.ledger.is_gone(&object.key);
            let is_right = content.is_good && self.is_done(object);
            if !(is_dead || is_over || is_right) {
                self.ledger.object_to(format!("{} is lost: {object:?}", object.key));
            }
            let after = self.plan.dead_letters_after.unwrap_or_default();
            if is_dead && !self.ledger.may_be_dead(object, after) {
                self.ledger
                    .object_to(format!("{} is in the dead-letter queue too early", object.key));
            }
        }
        for (name, file) in self.disks.iter().flat_map(|disk| disk.durable()) {
            if name.starts_with('.') {
                continue; // Not whole, and not called a result.
            }
            let result: Value = serde_json::from_slice(&file).unwrap_or_default();
            if name.starts_with("failed/") {
                let is_meant = versions.iter().any(|version| version.is_meant_by(&result));
                if !is_meant && result["bucket"] != NOT_OURS {
                    self.ledger.object_to(format!("the record {name} is of no file: {result}"));
                }
                continue;
            }
            if !versions.iter().any(|version| version.is_told_by(&result)) {
                self.ledger.object_to(format!("the result {name} is wrong: {result}"));
            }
        }
    }
}

impl Version {
    /// Whether a result, or the record of a failure, is about this version.
    fn is_meant_by(&self, result: &Value) -> bool {
        result["key"] == *self.object.key
            && result["etag"] == *self.object.etag
            && result["version_id"].as_str() == self.object.version_id.as_deref()
    }

    /// Whether a result is true.
    fn is_told_by(&self, result: &Value) -> bool {
        self.content.is_good
            && self.is_meant_by(result)
            && result["line_count"] == self.content.lines
            && result["byte_size"] == self.content.size
    }
}
