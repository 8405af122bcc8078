//! Checks whether a bucket notifies the queue of new files.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::operation::get_bucket_notification_configuration::GetBucketNotificationConfigurationOutput as Notifications;
use aws_sdk_s3::types::{
    Event, FilterRule, FilterRuleName, NotificationConfigurationFilter, S3KeyFilter,
};

use super::reason;
use super::report::Report;

/// Selects the keys that the queue is notified of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filter {
    pub(super) prefix: String,
    pub(super) suffix: String,
}

/// Returns one of the filters for the keys that the queue is notified of, if any is known.
pub(super) async fn check(
    s3: &Client,
    bucket: &str,
    queue: Option<&str>,
    report: &mut Report,
) -> Option<Filter> {
    let check = format!("Notification of {bucket}");
    let Some(queue) = queue else {
        report.skipped(&check, "the queue's ARN is not known");
        return None;
    };
    let answer = s3.get_bucket_notification_configuration().bucket(bucket).send().await;
    let told = match answer.map(|it| told(&it, queue)) {
        Ok(told) => told,
        Err(error) if error.code() == Some("NoSuchBucket") => {
            report.failed(&check, "there is no such bucket");
            return None;
        }
        Err(error) => {
            let says = format!(
                "cannot be read: {}. The program does not need to, but allow s3:GetBucketNotification to have it checked",
                reason(&error)
            );
            report.warning(&check, says);
            return None;
        }
    };
    match told {
        Told::Directly(filters) => {
            let keys: Vec<_> = filters.iter().map(Filter::spoken).collect();
            report.ok(&check, format!("the queue is told of {}", keys.join(", and of ")));
            return filters.into_iter().next();
        }
        Told::OfSome(events) => report.warning(
            &check,
            format!("the queue is told of {events} only. Have it told of s3:ObjectCreated:*, or some files are missed"),
        ),
        Told::Through(target) => report.ok(
            &check,
            format!("new files are announced to {target}. Whether the queue gets them from there is not checked"),
        ),
        Told::Nothing => report.failed(
            &check,
            format!(
                "the bucket tells the queue of no new files. Put a QueueConfiguration into its notification \
                 configuration, with the Event s3:ObjectCreated:* and the QueueArn {queue}"
            ),
        ),
    }
    None
}

/// Whether the bucket tells the queue of an object that is put, if its key has this prefix and this suffix.
pub(crate) fn tells(all: &Notifications, queue_arn: &str, prefix: &str, suffix: &str) -> bool {
    let ours = all.queue_configurations().iter().filter(|it| it.queue_arn() == queue_arn);
    let is_put =
        |event: &Event| ["s3:ObjectCreated:*", "s3:ObjectCreated:Put"].contains(&event.as_str());
    let mut put = ours.filter(|it| it.events().iter().any(is_put));
    put.any(|it| {
        let filter = Filter::of(it.filter());
        // The key goes on after its prefix, and begins before its suffix.
        (filter.prefix.starts_with(prefix) || prefix.starts_with(&filter.prefix))
            && (filter.suffix.ends_with(suffix) || suffix.ends_with(&filter.suffix))
    })
}

/// How the queue learns of new files.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    /// From the bucket, for all events of keys that match one of these.
    Directly(Vec<Filter>),
    /// From the bucket, but only for files that are created in certain ways.
    OfSome(String),
    /// The bucket notifies another service, which may notify the queue.
    Through(String),
    Nothing,
}

fn told(all: &Notifications, queue_arn: &str) -> Told {
    const CREATED: &str = "s3:ObjectCreated:";
    let is_all = |event: &Event| event.as_str() == "s3:ObjectCreated:*";
    let ours = all.queue_configurations().iter().filter(|it| it.queue_arn() == queue_arn);
    let created = ours.filter(|it| it.events().iter().any(|it| it.as_str().starts_with(CREATED)));
    let (whole, partial): (Vec<_>, Vec<_>) = created.partition(|it| it.events().iter().any(is_all));
    if !whole.is_empty() {
        return Told::Directly(whole.iter().map(|it| Filter::of(it.filter())).collect());
    }
    if !partial.is_empty() {
        let events = partial.iter().flat_map(|it| it.events()).map(Event::as_str);
        return Told::OfSome(
            events.filter(|it| it.starts_with(CREATED)).collect::<Vec<_>>().join(", "),
        );
    }
    if all.event_bridge_configuration().is_some() {
        return Told::Through("EventBridge".to_owned());
    }
    let topics = all.topic_configurations().iter();
    let mut topics =
        topics.filter(|it| it.events().iter().any(|it| it.as_str().starts_with(CREATED)));
    topics.next().map_or(Told::Nothing, |it| Told::Through(format!("the topic {}", it.topic_arn())))
}

impl Filter {
    fn of(filter: Option<&NotificationConfigurationFilter>) -> Self {
        let rules =
            filter.and_then(|it| it.key()).map(S3KeyFilter::filter_rules).unwrap_or_default();
        let value = |name: &str| {
            let is_it = |it: &&FilterRule| {
                it.name()
                    .map(FilterRuleName::as_str)
                    .is_some_and(|it| it.eq_ignore_ascii_case(name))
            };
            rules.iter().find(is_it).and_then(FilterRule::value).unwrap_or_default().to_owned()
        };
        Self { prefix: value("prefix"), suffix: value("suffix") }
    }

    fn spoken(&self) -> String {
        match (self.prefix.as_str(), self.suffix.as_str()) {
            ("", "") => "all new files".to_owned(),
            (prefix, "") => format!("new files that begin with {prefix}"),
            ("", suffix) => format!("new files that end with {suffix}"),
            (prefix, suffix) => format!("new files that begin with {prefix} and end with {suffix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::types::{EventBridgeConfiguration, QueueConfiguration, TopicConfiguration};

    use super::*;

    const QUEUE: &str = "arn:aws:sqs:us-east-1:1:queue";

    fn queue(arn: &str, events: &[&str], rules: &[(&str, &str)]) -> QueueConfiguration {
        let rule = |(name, value): &(&str, &str)| {
            FilterRule::builder().name(FilterRuleName::from(*name)).value(*value).build()
        };
        let rules = rules.iter().map(rule).collect();
        let key = S3KeyFilter::builder().set_filter_rules(Some(rules)).build();
        let events = events.iter().map(|it| Event::from(*it)).collect();
        QueueConfiguration::builder()
            .queue_arn(arn)
            .set_events(Some(events))
            .filter(NotificationConfigurationFilter::builder().key(key).build())
            .build()
            .unwrap()
    }

    fn told_by(queues: Vec<QueueConfiguration>) -> Told {
        told(&Notifications::builder().set_queue_configurations(Some(queues)).build(), QUEUE)
    }

    #[test]
    fn all_ways_to_create_a_file_are_to_be_told() {
        let all = ["s3:ObjectCreated:*"];
        let some = queue(QUEUE, &["s3:ObjectRemoved:*", "s3:ObjectCreated:Put"], &[]);
        assert_eq!(told_by(vec![queue("another", &all, &[])]), Told::Nothing);
        assert_eq!(told_by(vec![queue(QUEUE, &["s3:ObjectRemoved:*"], &[])]), Told::Nothing);
        assert_eq!(told_by(vec![some.clone()]), Told::OfSome("s3:ObjectCreated:Put".to_owned()));
        let everything = Told::Directly(vec![Filter::default()]);
        assert_eq!(told_by(vec![some, queue(QUEUE, &all, &[])]), everything);
    }

    #[test]
    fn a_filter_can_let_results_through() {
        let all = ["s3:ObjectCreated:*"];
        let tells = |arn, events: &[_], rules: &[_]| {
            let queues = Some(vec![queue(arn, events, rules)]);
            let all = Notifications::builder().set_queue_configurations(queues).build();
            super::tells(&all, QUEUE, "results/", ".json")
        };
        let through = [("prefix", ""), ("prefix", "res"), ("prefix", "results/a"), ("suffix", "n")];
        for rule in through.into_iter().chain([("suffix", "-0.json")]) {
            assert!(tells(QUEUE, &all, &[rule]), "{rule:?}");
        }
        for rule in [("prefix", "in/"), ("suffix", ".gz")] {
            assert!(!tells(QUEUE, &all, &[rule]), "{rule:?}");
        }
        assert!(tells(QUEUE, &["s3:ObjectCreated:Put"], &[]));
        assert!(!tells(QUEUE, &["s3:ObjectCreated:Copy"], &[]));
        assert!(!tells("another", &all, &[]));
    }

    #[test]
    fn filters_are_told() {
        let filtered = |rules: &[_]| queue(QUEUE, &["s3:ObjectCreated:*"], rules);
        let both = filtered(&[("Prefix", "logs/"), ("suffix", ".gz")]);
        let Told::Directly(filters) = told_by(vec![both, filtered(&[("prefix", "a")])]) else {
            panic!("it is told")
        };
        let spoken: Vec<_> = filters.iter().map(Filter::spoken).collect();
        assert_eq!(
            spoken,
            ["new files that begin with logs/ and end with .gz", "new files that begin with a"]
        );
    }

    #[test]
    fn there_are_ways_around() {
        let bridge = EventBridgeConfiguration::builder().build();
        let bridge = Notifications::builder().event_bridge_configuration(bridge).build();
        assert_eq!(told(&bridge, QUEUE), Told::Through("EventBridge".to_owned()));
        let topic = |event: &str| {
            let topic = TopicConfiguration::builder().topic_arn("t").events(Event::from(event));
            told(
                &Notifications::builder().topic_configurations(topic.build().unwrap()).build(),
                QUEUE,
            )
        };
        assert_eq!(topic("s3:ObjectCreated:Put"), Told::Through("the topic t".to_owned()));
        assert_eq!(topic("s3:ObjectRemoved:*"), Told::Nothing);
    }
}
