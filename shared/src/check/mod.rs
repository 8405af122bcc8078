//! `--check`: reports line by line which parts are set up, which are missing, and how to fix them.
//!
//! It changes nothing: no message is received or deleted, no file read. Where results go, it writes a file or an object
//! and removes it. A failed check stops only those checks that depend on it.

mod bucket;
mod identity;
pub(crate) mod notification;
mod permissions;
mod queue;
mod report;
mod results;

use aws_sdk_s3::Client as S3Client;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use clap::Args;

use crate::Error;
use crate::aws::policy::{Senders, senders};
use crate::aws::{AwsArgs, Buckets, Clients, ConnectError, Queue, is_pattern, why};
use crate::error::chain;
use crate::job::JobArgs;
use report::Report;

/// Whether to check the setup instead of working. The commands of a step have these among their arguments.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// Check whether everything is set up, report the missing parts, and end; with exit code 0 if files can be
    /// processed
    #[arg(long, conflicts_with_all = ["watch", "until_idle"], help_heading = "Check")]
    check: bool,

    /// A bucket to check too, besides those that the queue's access policy names
    #[arg(long = "bucket", value_name = "NAME", requires = "check", help_heading = "Check")]
    buckets: Vec<String>,
}

/// Files cannot be processed. The report says why.
#[derive(Debug, thiserror::Error)]
#[error("not everything is set up; the lines above say which parts are missing")]
pub struct CheckFailed;

/// The queue and buckets to check, as far as they are known.
struct Found {
    /// The queues; or why one of them cannot be used.
    queues: Vec<Result<Queue, String>>,
    s3: Option<S3Client>,
    /// The buckets to check in any case.
    buckets: Vec<String>,
    is_embedded: bool,
}

impl CheckArgs {
    /// Whether `--check` is given.
    pub(crate) fn is_asked_for(&self) -> bool {
        self.check
    }

    /// Checks everything that the program would use with these arguments, and prints a report.
    ///
    /// # Errors
    ///
    /// If files cannot be processed.
    pub(crate) async fn run(&self, job: &JobArgs) -> Result<(), Error> {
        let JobArgs { aws, results, allow_buckets, .. } = job;
        aws.init()?;
        let mut report = Report::default();
        let found = if aws.is_real() {
            self.real(aws, &mut report).await
        } else {
            embedded(aws, &mut report).await.unwrap_or_else(|error| {
                report.failed("Embedded SQS and S3", chain(&error));
                Found { queues: Vec::new(), s3: None, buckets: Vec::new(), is_embedded: true }
            })
        };
        let Found { queues, s3, buckets, is_embedded } = found;
        if let Some(s3) = &s3 {
            let several = queues.len() > 1;
            for queue in &queues {
                if several {
                    tell(queue, &mut report);
                }
                let queue = queue.as_ref().ok();
                aws_of(queue, s3, buckets.clone(), is_embedded, allow_buckets, &mut report).await;
            }
        }
        let queues: Vec<_> = queues.into_iter().flatten().collect();
        results::check(results, s3.as_ref(), &queues, &mut report).await;
        if report.end() { Ok(()) } else { Err(CheckFailed.into()) }
    }

    async fn real(&self, aws: &AwsArgs, report: &mut Report) -> Found {
        let mut found = Found {
            queues: Vec::new(),
            s3: None,
            buckets: self.buckets.clone(),
            is_embedded: false,
        };
        let configured = match aws.configured().await {
            Ok(configured) => configured,
            Err(error) => {
                report.failed("Configuration", chain(&error));
                return found;
            }
        };
        if !identity::check(&configured, report).await {
            report.skipped(
                "Queue and bucket",
                "AWS answers no request without a region and credentials",
            );
            return found;
        }
        for url in aws.given_queue_urls() {
            if let Some(says) = configured.contradicts(url) {
                report.warning("Queue's URL", says);
            }
        }
        let Clients { sqs, s3 } = configured.clients();
        found.s3 = Some(s3);
        for queue in aws.find_queues(sqs).await {
            found.queues.push(queue.map(|queue| aws.set_up(queue)).map_err(|error| {
                let mut says = chain(&error);
                if says.contains("AccessDenied") {
                    says += " Allow sqs:GetQueueUrl, or give the queue's URL (SQS_QUEUE_URL)";
                }
                says
            }));
        }
        if let [queue] = &found.queues[..] {
            tell(queue, report);
        }
        found
    }
}

/// Reports whether there is the queue.
fn tell(queue: &Result<Queue, String>, report: &mut Report) {
    match queue {
        Ok(queue) => report.ok("Queue", &queue.url),
        Err(says) => report.failed("Queue", says),
    }
}

async fn embedded(aws: &AwsArgs, report: &mut Report) -> Result<Found, ConnectError> {
    let local = aws.start_embedded().await?;
    let endpoint = local.endpoint_url();
    report.ok(
        "Configuration",
        format!(
            "SQS and S3 are the embedded ones, now at {endpoint}. For your own, set SQS_QUEUE_URL"
        ),
    );
    let Clients { sqs, s3 } = Clients::embedded(local.sdk_config());
    let queue = Queue::at(sqs, local.queue_url()).await?;
    report.ok("Queue", &queue.url);
    Ok(Found {
        queues: vec![Ok(aws.set_up(queue))],
        s3: Some(s3),
        buckets: vec![local_aws::BUCKET.to_owned()],
        is_embedded: true,
    })
}

/// Checks a queue, and the buckets that tell it of files.
async fn aws_of(
    queue: Option<&Queue>,
    s3: &S3Client,
    mut buckets: Vec<String>,
    is_embedded: bool,
    allowed: &[String],
    report: &mut Report,
) {
    let mut arn = None;
    if let Some(queue) = queue {
        let known = queue::check(queue, is_embedded, report).await;
        permissions::check(queue, report).await;
        let Senders { buckets: in_policy, mut others } =
            known.policy.as_deref().map(senders).unwrap_or_default();
        let (patterns, names): (Vec<_>, Vec<_>) =
            in_policy.into_iter().partition(|name| is_pattern(name));
        others.extend(patterns.iter().map(|pattern| format!("the buckets {pattern}")));
        buckets.extend(names);
        allowed_buckets(allowed, known.policy.as_deref(), &buckets, report);
        if buckets.is_empty() {
            report.warning("Bucket", why_none(known.arn.is_some(), &others.join(", ")));
        } else if !others.is_empty() {
            let says = format!("{} may send to the queue too", others.join(", "));
            report.skipped("Other senders", says);
        }
        arn = known.arn;
    } else {
        report.skipped("Queue's settings and permissions", "there is no queue to ask");
        if buckets.is_empty() {
            report.skipped("Bucket", "the queue would say which. Or name it with --bucket");
        }
    }
    buckets.sort_unstable();
    buckets.dedup();
    for name in buckets {
        bucket::check(s3, &name, arn.as_deref(), report).await;
    }
}

fn allowed_buckets(given: &[String], policy: Option<&str>, known: &[String], report: &mut Report) {
    const CHECK: &str = "Allowed buckets";
    let allowed = Buckets::allowed(given, policy);
    let others: Vec<_> = known.iter().filter(|name| !allowed.allow(name)).cloned().collect();
    if matches!(allowed, Buckets::All(_)) {
        report.warning(CHECK, allowed.to_string());
    } else if others.is_empty() {
        report.ok(CHECK, allowed.to_string());
    } else {
        let others = others.join(", ");
        let says =
            format!("{allowed}. Files of {others} are not read: allow them with --allow-bucket");
        report.warning(CHECK, says);
    }
}

/// Explains why there is no bucket to check.
fn why_none(is_known: bool, others: &str) -> String {
    let advice = "Name your bucket with --bucket, to have it checked whether it tells the queue of new files";
    match others {
        _ if !is_known => format!("not known. {advice}"),
        "" => format!("the queue's access policy names none (as aws:SourceArn). {advice}"),
        others => {
            format!("the queue's access policy names {others}, which is no bucket. {advice}")
        }
    }
}

/// The reason as [`why()`] gives it, without its full stop, so that advice can follow.
fn reason<E>(error: &SdkError<E>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    why(error).trim_end_matches('.').to_owned()
}
