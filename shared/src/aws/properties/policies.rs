//! However an access policy is written, the same senders are found.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};
use testing::property::holds_for_all;

use super::super::policy::senders;

/// Each ARN, and whether a bucket has it.
const ARNS: [(&str, bool); 7] = [
    ("arn:aws:s3:::warehouse", true),
    ("arn:aws-cn:s3:::b", true),
    ("arn:aws:s3:*:*:warehouse", true),
    ("arn:aws:s3:::ware*", true),
    ("arn:aws:s3:::wareh?use", true),
    ("arn:aws:sns:us-east-1:1:topic", false),
    ("arn:aws:events:us-east-1:1:rule/r", false),
];

/// Actions, and whether they include sending to a queue.
const ACTIONS: [(&str, bool); 11] = [
    ("sqs:SendMessage", true),
    ("SQS:SendMessage", true),
    ("sqs:*", true),
    ("*", true),
    ("sqs:Send*", true),
    ("sqs:S*e", true),
    ("sqs:SendMessag?", true),
    ("sqs:ReceiveMessage", false),
    ("sqs:SendMessageBatch", false),
    ("sqs:?", false),
    ("sns:*", false),
];

/// Operators, and whether they ask for an equal value.
const OPERATORS: [(&str, bool); 9] = [
    ("ArnEquals", true),
    ("ArnLike", true),
    ("StringEquals", true),
    ("StringLike", true),
    ("ForAnyValue:ArnLike", true),
    ("StringEqualsIfExists", true),
    ("ArnNotEquals", false),
    ("ForAllValues:StringNotLike", false),
    ("Null", false),
];

/// The meaning of a statement, however it is written.
#[derive(Clone, Debug)]
struct Statement {
    is_allowed: bool,
    service: Option<&'static str>,
    actions: Vec<(&'static str, bool)>,
    operator: (&'static str, bool),
    arns: Vec<(&'static str, bool)>,
}

fn statement() -> impl Strategy<Value = Statement> {
    let actions = vec(select(&ACTIONS[..]), 1..4);
    let arns = vec(select(&ARNS[..]), 1..4);
    let service = option::of(select(&["s3.amazonaws.com", "events.amazonaws.com"][..]));
    (prop::bool::weighted(0.8), service, actions, select(&OPERATORS[..]), arns).prop_map(
        |(is_allowed, service, actions, operator, arns)| Statement {
            is_allowed,
            service,
            actions,
            operator,
            arns,
        },
    )
}

/// A list, or its only value.
fn list(values: &[(&str, bool)], is_short: bool) -> Value {
    match values {
        [(one, _)] if is_short => json!(one),
        several => several.iter().map(|(value, _)| *value).collect(),
    }
}

fn written(
    Statement { is_allowed, service, actions, operator, arns }: &Statement,
    form: u8,
) -> Value {
    let key =
        ["aws:SourceArn", "AWS:sourcearn", "aws:SourceARN", "AWS:SOURCEARN"][usize::from(form % 4)];
    let mut conditions = Map::new();
    if form & 4 != 0 {
        conditions.insert("StringEquals".into(), json!({"aws:SourceAccount": ["1"]}));
        conditions.insert("Bool".into(), json!({"aws:SecureTransport": "true"}));
    }
    let operator = conditions.entry(operator.0).or_insert_with(|| json!({}));
    operator[key] = list(arns, form & 8 != 0);
    let mut statement = json!({
        "Effect": if *is_allowed { "Allow" } else { "Deny" },
        "Action": list(actions, form & 16 != 0),
        "Condition": conditions,
    });
    if let Some(service) = service {
        let services = [(*service, true)];
        statement["Principal"] = json!({"Service": list(&services, form & 64 != 0)});
    }
    if form & 32 != 0 {
        statement["Sid"] = json!("S3 may send");
        statement["Resource"] = json!("*");
    }
    statement
}

/// JSON that is made of the words of policies, in any place.
fn any_json() -> impl Strategy<Value = Value> {
    let word = || {
        let words =
            ["Statement", "Effect", "Allow", "Action", "Condition", "ArnEquals", "aws:SourceArn"];
        let values = ARNS.iter().chain(&ACTIONS).chain(&OPERATORS).map(|(word, _)| *word);
        let others = ["", "arn", "arn:aws:s3:::", "::::::", "💾"];
        select(words.into_iter().chain(values).chain(others).map(str::to_owned).collect::<Vec<_>>())
    };
    let leaf = prop_oneof![
        4 => word().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(6, 60, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((word(), inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

#[test]
fn the_same_senders_are_found_however_a_policy_is_written() {
    let policies = vec((statement(), any::<u8>(), any::<u16>()), 1..5);
    holds_for_all(500, &policies, |mut policy| {
        let mut expected = (BTreeSet::new(), BTreeSet::new());
        for (Statement { is_allowed, service, actions, operator, arns }, ..) in &policy {
            if !*is_allowed || !actions.iter().any(|(_, sends)| *sends) {
                continue;
            }
            if !operator.1 {
                expected.1.extend(service);
                continue;
            }
            for (arn, is_bucket) in arns {
                match arn.rsplit(':').next() {
                    Some(name) if *is_bucket => expected.0.insert(name),
                    _ => expected.1.insert(*arn),
                };
            }
        }
        policy.sort_by_key(|(.., order)| *order);
        let mut statements: Value = policy.iter().map(|(it, form, _)| written(it, *form)).collect();
        if let ([_], Some(one)) =
            (&policy[..], statements.get(0).filter(|_| policy[0].1 & 128 != 0))
        {
            statements = one.clone();
        }
        let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
        let found = senders(&policy);
        let set = |names: &'_ [String]| names.iter().cloned().collect::<BTreeSet<_>>();
        let own =
            |names: BTreeSet<&str>| names.into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
        assert_eq!(
            (set(&found.buckets), set(&found.others)),
            (own(expected.0), own(expected.1)),
            "{policy}"
        );
    });
}

#[test]
fn no_policy_does_harm() {
    let texts = prop_oneof![any_json().prop_map(|json| json.to_string()), any::<String>()];
    let part = prop_oneof![
        1 => ("Effect|Action|Condition|Principal".prop_map(String::from), any_json()),
        2 => (select(&OPERATORS[..]), any_json()).prop_map(|((operator, _), json)| {
            ("Condition".to_owned(), json!({operator: {"aws:SourceArn": json}}))
        }),
    ];
    let policies = prop_oneof![
        1 => texts,
        1 => any_json().prop_map(|json| json!({"Statement": json}).to_string()),
        3 => vec(part, 1..3).prop_map(|parts| {
            let mut statement = json!({"Effect": "Allow", "Action": "*"});
            for (name, part) in parts {
                statement[name] = part;
            }
            json!({"Statement": statement}).to_string()
        }),
    ];
    holds_for_all(1000, &policies, |policy| {
        let found = senders(&policy);
        assert!(found.buckets.iter().all(|bucket| !bucket.contains(':')), "{found:?}");
    });
}
