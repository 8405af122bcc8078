//! Which buckets may be read.
//!
//! A sender to the queue can name any bucket in a message. Without a limit, the program would read all buckets that its
//! role may read.

use std::fmt;
use std::sync::Arc;

use tracing::{info, warn};

use super::policy::{Senders, senders, stands_for};

/// The buckets whose objects may be read.
#[derive(Clone, Debug)]
pub(crate) enum Buckets {
    /// These, as the text says. In a name, `*` and `?` stand for other characters.
    These(Arc<[String]>, &'static str),
    /// All, because of this.
    All(Arc<str>),
}

impl Buckets {
    /// Those that are given, or else those that the queue's access policy allows to send, or else all.
    ///
    /// If a topic or a rule may send to the queue too, its messages can be about any bucket. Then the policy does not say
    /// which buckets are meant.
    pub(crate) fn allowed(given: &[String], policy: Option<&str>) -> Self {
        // An empty environment variable counts as not set.
        let given: Vec<_> = given.iter().filter(|name| !name.is_empty()).cloned().collect();
        if !given.is_empty() {
            return Self::These(given.into(), "--allow-bucket");
        }
        let Some(policy) = policy.filter(|policy| !policy.is_empty()) else {
            return Self::all("the queue has no access policy that this program may read");
        };
        let Senders { buckets, others } = senders(policy);
        if !others.is_empty() {
            Self::all(&format!("{} may send to the queue", others.join(", ")))
        } else if buckets.is_empty() {
            Self::all("the queue's access policy names none (as aws:SourceArn)")
        } else if buckets.iter().any(|name| name == "*") {
            Self::all("the queue's access policy names all of them")
        } else {
            Self::These(buckets.into(), "the queue's access policy")
        }
    }

    fn all(why: &str) -> Self {
        Self::All(why.into())
    }

    /// Whether objects in the bucket of this name may be read.
    pub(crate) fn allow(&self, bucket: &str) -> bool {
        match self {
            Self::These(names, _) => {
                has_name(bucket) && names.iter().any(|pattern| stands_for(pattern, bucket))
            }
            Self::All(_) => true,
        }
    }

    pub(crate) fn log(&self) {
        match self {
            Self::These(..) => info!("Allowed buckets: {self}"),
            Self::All(_) => warn!("Allowed buckets: {self}"),
        }
    }
}

/// All, for a program that has no setting for it.
impl Default for Buckets {
    fn default() -> Self {
        Self::all("nothing limits them")
    }
}

impl fmt::Display for Buckets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::These(names, source) => write!(f, "{}, as {source} says", names.join(", ")),
            Self::All(why) => write!(f, "all, because {why}. Name yours with --allow-bucket"),
        }
    }
}

/// Parses an argument of `--allow-bucket`.
pub(crate) fn name_or_pattern(name: &str) -> Result<String, String> {
    let name = name.trim();
    if has_name(&name.replace(['*', '?'], "")) {
        Ok(name.to_owned())
    } else {
        Err("give a bucket's name, in which * and ? can stand for other characters".to_owned())
    }
}

/// Whether a bucket can have this name. A wildcard stands for no other characters, such as the `/` that begins a key.
fn has_name(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
}

/// Whether a pattern has wildcards.
pub(crate) fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?'])
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn given(names: &[&str]) -> Buckets {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        Buckets::allowed(&names, None)
    }

    fn by_policy(condition: &Value) -> Buckets {
        let statement = json!({"Effect": "Allow", "Action": "sqs:*", "Condition": condition});
        Buckets::allowed(&[], Some(&json!({ "Statement": statement }).to_string()))
    }

    #[test]
    fn a_name_allows_that_bucket_and_no_other() {
        let buckets = given(&["a.b", "c"]);
        for name in ["a.b", "c"] {
            assert!(buckets.allow(name), "{name}");
        }
        for name in ["", "a", "ab", "A.B", "a.b ", "a.bc", "xa.b", "a.b/c", "c?x", "*"] {
            assert!(!buckets.allow(name), "{name}");
        }
    }

    #[test]
    fn wildcards_stand_for_what_a_name_can_have() {
        let buckets = given(&["logs-*", "?-data", "*.x.*"]);
        for name in ["logs-", "logs-1.eu", "a-data", "a.x.b", ".x."] {
            assert!(buckets.allow(name), "{name}");
        }
        for name in ["logs", "-data", "ab-data", "x", "logs-/../others", "logs-?a", "logs-ä"] {
            assert!(!buckets.allow(name), "{name}");
        }
    }

    #[test]
    fn what_is_given_counts_more_than_the_policy_and_nothing_given_is_not_given() {
        let policy = r#"{"Statement": {"Effect": "Allow", "Action": "*", "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::a"}}}}"#;
        let both = Buckets::allowed(&["b".to_owned()], Some(policy));
        assert_eq!((both.allow("a"), both.allow("b")), (false, true));
        let empty = Buckets::allowed(&[String::new()], Some(policy));
        assert_eq!((empty.allow("a"), empty.allow("b")), (true, false));
    }

    #[test]
    fn a_policy_allows_the_buckets_that_it_names() {
        let arns = json!(["arn:aws:s3:::a", "arn:aws:s3:*:*:b", "arn:aws:s3:::c-*"]);
        let buckets = by_policy(&json!({"ArnLike": {"aws:SourceArn": arns}}));
        for (name, is_allowed) in [("a", true), ("b", true), ("c-1", true), ("c", false)] {
            assert_eq!(buckets.allow(name), is_allowed, "{name}");
        }
        assert_eq!(buckets.to_string(), "a, b, c-*, as the queue's access policy says");
    }

    #[test]
    fn a_policy_that_does_not_say_which_buckets_limits_none_and_the_reason_is_told() {
        let source = |arn| json!({"ArnLike": {"aws:SourceArn": ["arn:aws:s3:::a", arn]}});
        let topic = "arn:aws:sns:us-east-1:1:topic";
        let cases = [
            (by_policy(&json!({})), "names none"),
            (by_policy(&source("arn:aws:s3:::*")), "names all"),
            (by_policy(&source(topic)), topic),
            (Buckets::allowed(&[], None), "no access policy"),
            (Buckets::allowed(&[], Some("")), "no access policy"),
            (Buckets::allowed(&[], Some("no JSON")), "names none"),
        ];
        for (buckets, why) in cases {
            assert!(buckets.allow("anything"));
            let says = buckets.to_string();
            assert!(says.contains(why) && says.ends_with("--allow-bucket"), "{says}");
        }
    }

    #[test]
    fn an_argument_is_the_name_of_a_bucket() {
        assert_eq!(name_or_pattern(" a-* ").as_deref(), Ok("a-*"));
        assert_eq!(name_or_pattern("").as_deref(), Ok(""));
        for wrong in ["s3://a", "arn:aws:s3:::a", "a/b", "a b"] {
            assert!(name_or_pattern(wrong).is_err(), "{wrong}");
        }
    }
}
