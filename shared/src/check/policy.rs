//! The senders that the queue's access policy allows.

use serde_json::Value;

/// The senders that the policy allows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Senders {
    /// The names of buckets.
    pub(super) buckets: Vec<String>,
    /// Topics, rules, and patterns for many buckets, as the policy has them.
    pub(super) others: Vec<String>,
}

impl Senders {
    /// Explains why there is no bucket to check.
    pub(super) fn why_none(&self, is_known: bool) -> String {
        let advice = "Name your bucket with --bucket, to have it checked whether it tells the queue of new files";
        match self.others.join(", ") {
            _ if !is_known => format!("not known. {advice}"),
            others if others.is_empty() => {
                format!("the queue's access policy names none (as aws:SourceArn). {advice}")
            }
            others => {
                format!("the queue's access policy names {others}, which is no bucket. {advice}")
            }
        }
    }
}

/// The values that conditions on `aws:SourceArn` name, in statements that allow sending to the queue.
pub(super) fn senders(policy: &str) -> Senders {
    let policy: Value = serde_json::from_str(policy).unwrap_or_default();
    let mut found = Senders::default();
    let allowed = list(&policy["Statement"])
        .iter()
        .filter(|it| it["Effect"] == "Allow" && allows_to_send(it));
    for arn in allowed.flat_map(source_arns) {
        // These are wildcards in ArnEquals too.
        let is_pattern = arn.contains(['*', '?']);
        match arn.split(':').collect::<Vec<_>>()[..] {
            ["arn", _, "s3", _, _, bucket] if !is_pattern => found.buckets.push(bucket.to_owned()),
            _ => found.others.push(arn.to_owned()),
        }
    }
    found
}

fn allows_to_send(statement: &Value) -> bool {
    let actions = list(&statement["Action"]).iter().filter_map(Value::as_str);
    actions.map(str::to_lowercase).any(|action| {
        ["*", "sqs:*", "sqs:send*", "sqs:sendmessage", "sqs:sendmessage*"]
            .contains(&action.as_str())
    })
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
        assert_eq!(buckets, ["a", "c"]);
        assert_eq!(others, ["arn:aws:s3:::b-*", "arn:aws:sns:us-east-1:1:topic"]);
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
