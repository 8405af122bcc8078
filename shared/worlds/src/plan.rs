//! The plan of a world: all of it follows from the seed.

use std::str::FromStr;
use std::time::Duration;

use crate::luck::Luck;

/// Kinds of faults, for `--faults`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The network between a program and AWS.
    Net,
    /// SQS does things that it may do at any time.
    Sqs,
    /// S3 and other users of a bucket do things that they may do.
    S3,
    /// The disk.
    Disk,
    /// Killed programs, power failures, programs that are stopped.
    Process,
    /// An operator changes things while programs run.
    Operator,
}

pub const KINDS: [Kind; 6] =
    [Kind::Net, Kind::Sqs, Kind::S3, Kind::Disk, Kind::Process, Kind::Operator];

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let all = ["net", "sqs", "s3", "disk", "process", "operator"];
        let at = all.iter().position(|it| *it == name);
        at.map(|at| KINDS[at]).ok_or_else(|| format!("it can be {}", all.join(", ")))
    }
}

impl Kind {
    pub fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

/// A fault that a request, an answer, or a step on the disk meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection breaks before the server gets the request.
    Refused,
    /// The server acts, and the connection breaks before its answer arrives.
    AnswerLost,
    /// The server acts, and its answer never arrives. The connection stays open.
    Silence,
    /// The server does not act, and answers with this status and code.
    Status(u16, &'static str),
    /// The body breaks off after this part of it, in thousandths.
    BodyResets(u16),
    /// The body stalls after this part of it, in thousandths.
    BodyStalls(u16),
    /// Every second message of a batch is refused, and the sender is not at fault.
    HalfFails,
    /// SQS shows a message that it has just handed out to others too.
    VisibleAtOnce,
    DiskFull,
    ReadOnly,
    DiskError,
    /// The program is killed at this step.
    Kill,
}

/// The decisions before a world begins.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub kinds: Vec<Kind>,
    /// The most faults that are injected into requests and disks: a failure is shrunk with it.
    pub most_faults: u64,
    pub machines: u64,
    pub files: u64,
    /// How long things go wrong. After that all is well.
    pub turmoil: Duration,
    /// How many of 1,000 requests or disk steps meet a fault.
    pub per_mille: u64,
    /// The longest latency of one direction, in milliseconds.
    pub latency: u64,
    /// The most bytes of a body that arrive together.
    pub piece: u64,
    /// Whether all machines write to one network file system.
    pub shared_disk: bool,
    pub versioned: bool,
    /// After how many receives SQS moves a message to the dead-letter queue, if there is one.
    pub dead_letters_after: Option<u64>,
    pub visibility_timeout: u64,
    pub pipelines: u64,
    pub max_demand: u64,
    pub stop_limit: u64,
    /// Whether the programs find their own concurrency. Then there are more files, so that they have time to.
    pub auto: bool,
}

impl Plan {
    pub fn of(seed: u64) -> Self {
        let luck = Luck::of(seed);
        let machines = *luck.one_of(&[1, 1, 2, 2, 3]);
        let latency = *luck.one_of(&[1, 20, 150, 1500]);
        // A lease that is shorter than a few round trips cannot be kept.
        let timeouts: &[u64] = if latency > 1000 { &[30, 120] } else { &[5, 10, 30, 120] };
        let mut plan = Self {
            seed,
            kinds: KINDS.into_iter().filter(|_| luck.happens(0.6)).collect(),
            most_faults: u64::MAX,
            machines,
            files: luck.pick(1..16),
            turmoil: luck.seconds(5..120),
            per_mille: *luck.one_of(&[10, 50, 150, 400]),
            latency,
            piece: *luck.one_of(&[4 * 1024, 64 * 1024]),
            shared_disk: luck.happens(0.5),
            versioned: luck.happens(0.3),
            dead_letters_after: luck.happens(0.7).then(|| *luck.one_of(&[3, 10, 1000])),
            visibility_timeout: *luck.one_of(timeouts),
            pipelines: luck.pick(1..5),
            max_demand: *luck.one_of(&[1, 1, 2, 10]),
            stop_limit: *luck.one_of(&[0, 3, 30]),
            auto: luck.happens(0.2),
        };
        plan.files *= if plan.auto { 3 } else { 1 };
        plan
    }

    pub fn has(&self, kind: Kind) -> bool {
        self.kinds.contains(&kind)
    }
}
