//! The trace of the program that sent a message.

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};

/// The name of the message's attribute that [W3C] has given to it.
///
/// [W3C]: https://www.w3.org/TR/trace-context/#traceparent-header
pub(crate) const TRACE_PARENT: &str = "traceparent";

/// The span in which a message was sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sender {
    pub(crate) trace: u128,
    pub(crate) span: u64,
    pub(crate) is_sampled: bool,
}

impl Sender {
    /// The sender, if an attribute of the message names it: that of W3C, or else that of X-Ray.
    pub(crate) fn of(message: &Message) -> Option<Self> {
        let attributes = message.message_attributes();
        let w3c = attributes.and_then(|all| all.get(TRACE_PARENT)?.string_value());
        let x_ray = || message.attributes()?.get(&MessageSystemAttributeName::AwsTraceHeader);
        w3c.and_then(Self::read_w3c).or_else(|| Self::read_x_ray(x_ray()?))
    }

    /// Reads `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01`.
    fn read_w3c(header: &str) -> Option<Self> {
        let mut parts = header.split('-');
        let (version, trace, span, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        // A later version can have more parts.
        if version == "ff" || (version == "00" && parts.next().is_some()) {
            return None;
        }
        number(version, 2)?;
        Self::new(trace, span, number(flags, 2)? & 1 == 1)
    }

    /// Reads `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1`.
    fn read_x_ray(header: &str) -> Option<Self> {
        let part = |name| {
            let mut parts = header.split(';').filter_map(|part| part.trim().split_once('='));
            parts.find_map(|(key, value)| (key == name).then_some(value))
        };
        let (time, random) = part("Root")?.strip_prefix("1-")?.split_once('-')?;
        Self::new(&format!("{time}{random}"), part("Parent")?, part("Sampled") == Some("1"))
    }

    fn new(trace: &str, span: &str, is_sampled: bool) -> Option<Self> {
        let (trace, span) = (number(trace, 32)?, number(span, 16)?.try_into().ok()?);
        // No span has the number 0.
        (trace != 0 && span != 0).then_some(Self { trace, span, is_sampled })
    }
}

/// Reads a number of `count` hexadecimal digits.
fn number(digits: &str, count: usize) -> Option<u128> {
    let is_one = digits.len() == count && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_one.then(|| u128::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::types::MessageAttributeValue;

    use super::*;

    const W3C: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const X_RAY: &str =
        "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0";

    fn sender(w3c: Option<&str>, x_ray: Option<&str>) -> Option<Sender> {
        let mut message = Message::builder();
        if let Some(header) = w3c {
            let value = MessageAttributeValue::builder().data_type("String").string_value(header);
            message = message.message_attributes(TRACE_PARENT, value.build().unwrap());
        }
        if let Some(header) = x_ray {
            message = message.attributes(MessageSystemAttributeName::AwsTraceHeader, header);
        }
        Sender::of(&message.build())
    }

    #[test]
    fn the_sender_is_known_by_what_w3c_or_x_ray_write() {
        let by_w3c = Sender {
            trace: 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736,
            span: 0x00f0_67aa_0ba9_02b7,
            is_sampled: true,
        };
        let by_x_ray = Sender {
            trace: 0x5759_e988_bd86_2e3f_e1be_46a9_9427_2793,
            span: 0x5399_5c3f_42cd_8ad8,
            is_sampled: false,
        };
        assert_eq!(sender(Some(W3C), None).unwrap(), by_w3c);
        assert_eq!(sender(Some(W3C), Some(X_RAY)).unwrap(), by_w3c);
        assert_eq!(sender(None, Some(X_RAY)).unwrap(), by_x_ray);
        assert_eq!(sender(Some("no trace"), Some(X_RAY)).unwrap(), by_x_ray);
        assert_eq!(sender(None, None), None);
    }

    #[test]
    fn what_is_no_trace_is_no_sender() {
        for header in [
            "",
            "-",
            &W3C[..52],
            &format!("{W3C}-more"),
            &W3C.replacen("00", "ff", 1),
            &W3C.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &W3C.replace("00f067aa0ba902b7", "+0f067aa0ba902b7"),
            &W3C.replace("00f067aa0ba902b7", "ü0f067aa0ba902b"),
        ] {
            assert_eq!(sender(Some(header), None), None, "{header}");
        }
        for header in ["", "Root=1-2-3", "Root=1-5759e988-bd862e3fe1be46a994272793", "Root;Parent"]
        {
            assert_eq!(sender(None, Some(header)), None, "{header}");
        }
    }
}
