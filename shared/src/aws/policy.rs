//! The senders that the queue's access policy allows.

use std::iter;

use serde_json::Value;

/// The senders that the policy allows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Senders {
    /// The names of buckets, in which `*` and `?` stand for other characters.
    pub(crate) buckets: Vec<String>,
    /// Topics, rules, and services whose messages can be about any bucket.
    pub(crate) others: Vec<String>,
}

/// The buckets and services that a policy allows to send to the queue. A bucket is the value of a condition on
/// `aws:SourceArn`. Accounts and roles are no senders here, because programs of your own send with those.
pub(crate) fn senders(policy: &str) -> Senders {
    let policy: Value = serde_json::from_str(policy).unwrap_or_default();
    let mut found = Senders::default();
    let allowed = list(&policy["Statement"])
        .iter()
        .filter(|it| it["Effect"] == "Allow" && allows_to_send(it));
    for statement in allowed {
        let arns = source_arns(statement);
        if arns.is_empty() {
            let services = list(&statement["Principal"]["Service"]).iter();
            found.others.extend(services.filter_map(Value::as_str).map(str::to_owned));
        }
        for arn in arns {
            match arn.split(':').collect::<Vec<_>>()[..] {
                ["arn", _, "s3", _, _, bucket] => found.buckets.push(bucket.to_owned()),
                _ => found.others.push(arn.to_owned()),
            }
        }
    }
    found
}

fn allows_to_send(statement: &Value) -> bool {
    let mut actions = list(&statement["Action"]).iter().filter_map(Value::as_str);
    // Actions are not case-sensitive.
    actions.any(|action| stands_for(&action.to_ascii_lowercase(), "sqs:sendmessage"))
}

/// Whether a pattern, in which `*` stands for any number of characters and `?` for one, stands for a name. Its time is the
/// product of their lengths, however many wildcards there are.
pub(super) fn stands_for(pattern: &str, name: &str) -> bool {
    let name: Vec<_> = name.chars().collect();
    // Whether the pattern so far stands for the first characters of the name: for none, for the first one, and so on.
    let mut so_far = vec![false; name.len() + 1];
    so_far[0] = true;
    for wanted in pattern.chars() {
        if wanted == '*' {
            (1..so_far.len()).for_each(|length| so_far[length] |= so_far[length - 1]);
        } else {
            let next = name.iter().zip(&so_far);
            let next = next.map(|(other, so_far)| *so_far && (wanted == '?' || wanted == *other));
            so_far = iter::once(false).chain(next).collect();
        }
    }
    so_far[name.len()]
}

/// The values of `aws:SourceArn` under operators such as `ArnLike` and `StringEqualsIfExists`, but not
/// `ArnNotEquals`. Condition keys are not case-sensitive.
fn source_arns(statement: &Value) -> Vec<&str> {
    let operators = statement["Condition"].as_object().into_iter().flatten();
    let positive = operators.filter(|(operator, _)| {
        let operator = operator.rsplit(':').next().unwrap_or_default(); // After `ForAnyValue:`.
        ["Arn", "String"].iter().any(|kind| operator.starts_with(kind)) && !operator.contains("Not")
    });
    let keys = positive.filter_map(|(_, keys)| keys.as_object()).flatten();
    let values = keys.filter(|(key, _)| key.eq_ignore_ascii_case("aws:SourceArn"));
    values.flat_map(|(_, values)| list(values)).filter_map(Value::as_str).collect()
}

/// A policy may have a single value wherever it may have a list.
fn list(value: &Value) -> &[Value] {
    match value {
        Value::Array(several) => several,
        Value::Null => &[],
        one => std::slice::from_ref(one),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(statements: &Value) -> (Vec<String>, Vec<String>) {
        let Senders { buckets, others } = senders(&json!({ "Statement": statements }).to_string());
        (buckets, others)
    }

    fn allow(condition: &Value) -> Value {
        json!({"Effect": "Allow", "Action": "sqs:SendMessage", "Condition": condition})
    }

    #[test]
    fn buckets_are_found_however_it_is_written() {
        let conditions = [
            json!({"ArnEquals": {"aws:SourceArn": "arn:aws:s3:::a"}}),
            json!({"ArnLike": {"AWS:sourcearn": ["arn:aws:s3:::a"]}, "StringEquals": {"aws:SourceAccount": "1"}}),
            json!({"ForAnyValue:StringEqualsIfExists": {"aws:SourceArn": "arn:aws-cn:s3:::a"}}),
        ];
        for condition in conditions {
            let a = (vec!["a".to_owned()], vec![]);
            assert_eq!(found(&allow(&condition)), a, "{condition}");
            assert_eq!(found(&json!([allow(&condition)])), a);
        }
    }

    #[test]
    fn there_can_be_several() {
        let arns = json!(["arn:aws:s3:::a", "arn:aws:s3:::b-*", "arn:aws:sns:us-east-1:1:topic"]);
        let c = json!({"StringLike": {"aws:SourceArn": "arn:aws:s3:::c"}});
        let (buckets, others) =
            found(&json!([allow(&json!({"ArnLike": {"aws:SourceArn": arns}})), allow(&c)]));
        assert_eq!(buckets, ["a", "b-*", "c"]);
        assert_eq!(others, ["arn:aws:sns:us-east-1:1:topic"]);
    }

    #[test]
    fn a_service_without_a_source_is_a_sender_and_an_account_is_none() {
        let mut rule = allow(&json!({"StringEquals": {"aws:SourceAccount": "1"}}));
        rule["Principal"] = json!({"Service": ["events.amazonaws.com"]});
        let mut owner = allow(&json!({}));
        owner["Principal"] = json!({"AWS": "arn:aws:iam::1:root"});
        let mut everybody = allow(&json!({}));
        everybody["Principal"] = "*".into();
        let events = vec!["events.amazonaws.com".to_owned()];
        assert_eq!(found(&json!([rule, owner, everybody])), (vec![], events));
    }

    #[test]
    fn wildcards_in_an_action_may_stand_for_sending() {
        let condition = json!({"ArnEquals": {"aws:SourceArn": "arn:aws:s3:::a"}});
        for (action, sends) in [
            ("SQS:Send*", true),
            ("sqs:S*e", true),
            ("sqs:*Message", true),
            ("sqs:SendMessag?", true),
            ("sqs:SendMessage**", true),
            ("sqs:SendMessage?", false),
            ("sqs:SendMessag", false),
            ("sqs:R*e", false),
            ("", false),
        ] {
            let mut statement = allow(&condition);
            statement["Action"] = json!(action);
            assert_eq!(found(&statement).0.len(), usize::from(sends), "{action}");
        }
    }

    /// Trying all that each wildcard may stand for would take years.
    #[test]
    fn any_number_of_wildcards_takes_hardly_any_time() {
        let name = "a".repeat(255);
        assert!(!stands_for(&format!("{}b", "*a".repeat(100)), &name));
        assert!(stands_for(&"*a".repeat(100), &name));
    }

    #[test]
    fn who_may_not_send_is_no_sender() {
        let condition = json!({"ArnEquals": {"aws:SourceArn": "arn:aws:s3:::a"}});
        let mut deny = allow(&condition);
        deny["Effect"] = "Deny".into();
        let mut receive = allow(&condition);
        receive["Action"] = json!(["sqs:ReceiveMessage"]);
        let others = allow(&json!({"ArnNotEquals": {"aws:SourceArn": "arn:aws:s3:::a"}}));
        assert_eq!(found(&json!([deny, receive, others, "no statement"])), (vec![], vec![]));
        assert_eq!(senders("no JSON"), Senders::default());
    }
}
