//! Keeps account of each message, and objects to faults that must not happen.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use http::Response;
use hyper::body::Bytes;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::time::Instant;

use crate::history;
use crate::network::Request;
use crate::world::{Program, World};

/// All receipts and results so far.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    /// By receipt handle.
    receipts: BTreeMap<String, Receipt>,
    /// How many messages the receives under way ask for, by program.
    asked_for: BTreeMap<u64, u64>,
    /// The bodies of the messages that programs sent to the dead-letter queue.
    put_aside: BTreeSet<String>,
    /// The keys for which S3 has answered that there is no such object.
    gone: BTreeSet<String>,
    violations: Vec<String>,
}

/// A message, as it was handed out once.
#[derive(Debug)]
struct Receipt {
    program: u64,
    message_id: String,
    body: String,
    /// How many times it was handed out, this time included.
    count: u64,
    objects: Vec<Announced>,
    handed_out: Instant,
    /// Whether the last attempt to delete it has failed.
    deletion_failed: bool,
    /// Whether a fault has kept it from the program.
    excused: bool,
    /// The keys that the program has processed. Their results may still wait to be written.
    processed: BTreeSet<String>,
    state: State,
}

#[derive(Debug, PartialEq)]
enum State {
    Held,
    /// SQS has told the program that the message is no longer its own.
    Lost(Instant),
    /// SQS was told when to hand it out again.
    Returned,
    Deleted,
}

/// An object that a message announces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    pub key: String,
    pub etag: String,
    pub version_id: Option<String>,
}

/// While a receive is under way.
#[derive(Debug)]
pub struct Asking<'a> {
    ledger: &'a Ledger,
    program: u64,
    count: u64,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let mut pages = self.ledger.0.lock();
        let asked = pages.asked_for.entry(self.program).or_default();
        *asked = asked.saturating_sub(self.count);
    }
}

impl Ledger {
    pub fn violations(&self) -> Vec<String> {
        self.0.lock().violations.clone()
    }

    pub fn object_to(&self, violation: String) {
        let violations = &mut self.0.lock().violations;
        if !violations.contains(&violation) {
            violations.push(violation);
        }
    }

    /// A program sends a request.
    pub fn asks(&self, world: &World, program: &Program, request: &Request) -> Asking<'_> {
        let count = match request.operation.as_str() {
            "ReceiveMessage" => request.body["MaxNumberOfMessages"].as_u64().unwrap_or(1),
            _ => 0,
        };
        if request.operation == "DeleteMessageBatch" {
            self.deletions_fail(request.entries(), false);
        }
        if count > 0 && world.faults() == 0 && !world.plan.auto {
            self.no_more_than_demanded(world, program, count);
        }
        *self.0.lock().asked_for.entry(program.life).or_default() += count;
        Asking { ledger: self, program: program.life, count }
    }

    /// Never is more taken than the stages have asked for: as long as nothing fails, a message is at work, or done.
    fn no_more_than_demanded(&self, world: &World, program: &Program, count: u64) {
        let limit = 2 * world.plan.pipelines * world.plan.max_demand;
        let at_work = {
            let pages = self.0.lock();
            let held = pages.receipts.values();
            let held: Vec<_> = held
                .filter(|it| it.program == program.life && it.state == State::Held && !it.excused)
                .filter(|it| !pages.put_aside.contains(&it.body))
                .flat_map(|it| {
                    it.objects.iter().filter(|object| !it.processed.contains(&object.key))
                })
                .cloned()
                .collect();
            let done = |object: &Announced| world.is_done(object) || !world.is_good(object);
            let at_work = held.iter().filter(|object| !done(object)).count() as u64;
            at_work + pages.asked_for.get(&program.life).copied().unwrap_or_default()
        };
        if at_work + count > limit {
            let name = program.name();
            self.object_to(format!(
                "{name} has or asks for {at_work} and asks for {count} more, but its stages demand {limit} at most"
            ));
        }
    }

    /// SQS or S3 answers a request.
    pub fn server_acts(
        &self,
        world: &World,
        program: &Program,
        request: &Request,
        answer: &Response<Bytes>,
        excused: bool,
    ) {
        if !request.is_sqs() {
            if answer.status().as_u16() == 404 {
                let key = request.path.split_once('/').map_or("", |(_, key)| key);
                self.0.lock().gone.insert(key.to_owned());
            }
            return;
        }
        let Ok(answer) = serde_json::from_slice::<Value>(answer.body()) else { return };
        match request.operation.as_str() {
            "ReceiveMessage" => self.hands_out(world, program, &answer, excused),
            "DeleteMessageBatch" => {
                for handle in successful(request, &answer) {
                    self.deletes(world, program, &handle);
                }
            }
            "ChangeMessageVisibilityBatch" => {
                for entry in successes(request, &answer) {
                    self.changes(world, entry);
                }
            }
            "SendMessage" => {
                let body = request.body["MessageBody"].as_str().unwrap_or_default();
                if request.body["MessageAttributes"]["reason"].is_null() {
                    self.object_to(format!("a message was put aside without a reason: {body}"));
                }
                self.0.lock().put_aside.insert(body.to_owned());
            }
            _ => {}
        }
    }

    fn hands_out(&self, world: &World, program: &Program, answer: &Value, excused: bool) {
        for message in answer["Messages"].as_array().into_iter().flatten() {
            let text = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
            let count = &message["Attributes"]["ApproximateReceiveCount"];
            let receipt = Receipt {
                program: program.life,
                message_id: text("MessageId"),
                objects: announced(&text("Body")),
                body: text("Body"),
                count: count.as_str().and_then(|count| count.parse().ok()).unwrap_or_default(),
                handed_out: Instant::now(),
                deletion_failed: false,
                excused: excused || program.is_dead(),
                processed: BTreeSet::new(),
                state: State::Held,
            };
            world.tell(format_args!(
                "SQS hands {} out to {}, for the {}. time",
                receipt.name(),
                program.name(),
                receipt.count
            ));
            self.nobody_has(world, &receipt);
            self.0.lock().receipts.insert(text("ReceiptHandle"), receipt);
        }
    }

    /// These deletions do not reach SQS, or their answer does not reach the program.
    pub fn deletions_fail<'a>(&self, entries: impl Iterator<Item = &'a Value>, fail: bool) {
        let mut pages = self.0.lock();
        for handle in entries.filter_map(|entry| entry["ReceiptHandle"].as_str()) {
            if let Some(receipt) = pages.receipts.get_mut(handle) {
                receipt.deletion_failed = fail;
            }
        }
    }

    /// As long as a program works and nothing fails, it keeps its messages hidden.
    fn nobody_has(&self, world: &World, receipt: &Receipt) {
        let pages = self.0.lock();
        let others = pages.receipts.values().filter(|it| it.message_id == receipt.message_id);
        let held = others.filter(|it| it.state == State::Held && !it.excused);
        let held =
            held.filter(|it| world.well_since(it.program).is_some_and(|at| it.handed_out > at));
        let holders: Vec<_> = held.map(|it| it.program).collect();
        drop(pages);
        for holder in holders {
            let name = history::name(holder);
            let what = receipt.name();
            self.object_to(format!("{name} holds {what}, and did not keep it hidden"));
        }
    }

    /// A message must not be deleted before its results are durable.
    fn deletes(&self, world: &World, program: &Program, handle: &str) {
        let (objects, body) = {
            let mut pages = self.0.lock();
            let Some(receipt) = pages.receipts.get_mut(handle) else { return };
            receipt.state = State::Deleted;
            world.tell(format_args!("SQS deletes {}", receipt.name()));
            (receipt.objects.clone(), receipt.body.clone())
        };
        for object in objects {
            let is_over = {
                let pages = self.0.lock();
                pages.put_aside.contains(&body) || pages.gone.contains(&object.key)
            };
            if !is_over && !world.is_done(&object) {
                let name = program.name();
                self.object_to(format!(
                    "{name} deleted the message about {} before the result was durable",
                    object.key
                ));
            }
        }
    }

    /// SQS gets a request.
    pub fn reaches(&self, world: &World, request: &Request) {
        if request.operation != "ChangeMessageVisibilityBatch" {
            return;
        }
        let mut pages = self.0.lock();
        for entry in request.entries() {
            let handle = entry["ReceiptHandle"].as_str().unwrap_or_default();
            // Before SQS acts, because another program can get the message before the answer is here.
            if entry["VisibilityTimeout"] != world.plan.visibility_timeout
                && let Some(receipt) = pages.receipts.get_mut(handle)
                && receipt.state != State::Deleted
            {
                receipt.state = State::Returned;
            }
        }
    }

    fn changes(&self, world: &World, entry: &Value) {
        let handle = entry["ReceiptHandle"].as_str().unwrap_or_default();
        if let Some(receipt) = self.0.lock().receipts.get(handle) {
            let seconds = &entry["VisibilityTimeout"];
            world.tell(format_args!("SQS hides {} for {seconds} s", receipt.name()));
        }
    }

    /// An answer arrives at the program.
    pub fn arrives(&self, request: &Request, answer: &Response<Bytes>) {
        if request.operation != "ChangeMessageVisibilityBatch" {
            return;
        }
        let Ok(answer) = serde_json::from_slice::<Value>(answer.body()) else { return };
        for failed in answer["Failed"].as_array().into_iter().flatten() {
            if failed["SenderFault"] != true {
                continue;
            }
            let mut entries = request.entries();
            let Some(entry) = entries.find(|entry| entry["Id"] == failed["Id"]) else { continue };
            let handle = entry["ReceiptHandle"].as_str().unwrap_or_default();
            if let Some(receipt) = self.0.lock().receipts.get_mut(handle)
                && receipt.state == State::Held
            {
                receipt.state = State::Lost(Instant::now());
            }
        }
    }

    /// A program has processed a file: it must still hold a message about that object. When it has been told that it does
    /// not, it must stop at once.
    pub fn processed(&self, life: u64, key: &str) {
        let mut pages = self.0.lock();
        let mine = pages.receipts.values_mut().filter(|it| it.program == life);
        let about = mine.filter(|it| it.objects.iter().any(|object| object.key == key));
        let mut holds = false;
        for receipt in about {
            holds |= match receipt.state {
                State::Held => true,
                State::Lost(since) => since.elapsed() < Duration::from_secs(1),
                State::Returned | State::Deleted => false,
            };
            receipt.processed.insert(key.to_owned());
        }
        drop(pages);
        if !holds {
            self.object_to(format!("{} processed {key} without a lease", history::name(life)));
        }
    }

    /// After an orderly stop no message is forgotten: it is deleted, or SQS knows when to hand it out again.
    pub fn has_stopped(&self, program: &Program) {
        let pages = self.0.lock();
        let mine = pages.receipts.values().filter(|it| it.program == program.life);
        let held = mine.filter(|it| it.state == State::Held && !it.excused);
        // A message that a fault kept from being given back becomes visible by itself.
        let since = program.last_fault();
        let is_new = |at: Instant| since.is_none_or(|since| at > since);
        let forgotten = held.filter(|it| it.deletion_failed || is_new(it.handed_out));
        let forgotten: Vec<_> = forgotten.map(Receipt::name).collect();
        drop(pages);
        for message in forgotten {
            let name = program.name();
            self.object_to(format!("{name} stopped, and has forgotten {message}"));
        }
    }

    /// Whether a message about this object may have been moved to the dead-letter queue.
    pub fn may_be_dead(&self, object: &Announced, after: u64) -> bool {
        let pages = self.0.lock();
        let mut about = pages.receipts.values().filter(|it| it.objects.contains(object));
        about.any(|it| it.count >= after || pages.put_aside.contains(&it.body))
    }

    pub fn is_gone(&self, key: &str) -> bool {
        self.0.lock().gone.contains(key)
    }
}

impl Receipt {
    /// The name of the message in a history.
    fn name(&self) -> String {
        let keys: Vec<_> = self.objects.iter().map(|object| object.key.as_str()).collect();
        format!("the message about {}", keys.join(" and "))
    }
}

/// The entries of a batch that SQS has carried out.
fn successes<'a>(request: &'a Request, answer: &'a Value) -> impl Iterator<Item = &'a Value> {
    let successful = answer["Successful"].as_array().into_iter().flatten();
    successful.filter_map(|it| request.entries().find(|entry| entry["Id"] == it["Id"]))
}

fn successful(request: &Request, answer: &Value) -> Vec<String> {
    let handles = successes(request, answer).filter_map(|it| it["ReceiptHandle"].as_str());
    handles.map(str::to_owned).collect()
}

/// The objects that a notification of S3's announces.
pub fn announced(body: &str) -> Vec<Announced> {
    let Ok(body) = serde_json::from_str::<Value>(body) else { return Vec::new() };
    let records = body["Records"].as_array().into_iter().flatten();
    records
        .map(|record| {
            let object = &record["s3"]["object"];
            let text = |name: &str| object[name].as_str().map(str::to_owned);
            let key = text("key").unwrap_or_default().replace('+', " ");
            let key = percent_encoding::percent_decode_str(&key).decode_utf8_lossy().into_owned();
            let etag = text("eTag").unwrap_or_default();
            Announced { key, etag, version_id: text("versionId") }
        })
        .collect()
}
