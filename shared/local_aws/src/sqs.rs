//! The embedded SQS: rustack's, and in front of it the rules of SQS that rustack lacks.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use rustack_sqs_core::handler::RustackSqsHandler;
use rustack_sqs_core::provider::RustackSqs;
use rustack_sqs_http::body::SqsResponseBody;
use rustack_sqs_http::dispatch::SqsHandler;
use rustack_sqs_model::error::{SqsError, SqsErrorCode};
use rustack_sqs_model::operations::SqsOperation;
use serde_json::Value;

pub(super) struct Sqs(RustackSqsHandler);

impl Sqs {
    pub(super) fn new(queues: Arc<RustackSqs>) -> Self {
        Self(RustackSqsHandler::new(queues))
    }
}

impl SqsHandler for Sqs {
    fn handle_operation(
        &self,
        operation: SqsOperation,
        body: Bytes,
    ) -> Pin<Box<dyn Future<Output = Result<Response<SqsResponseBody>, SqsError>> + Send>> {
        match as_sqs_would(operation, body) {
            Ok(body) => self.0.handle_operation(operation, body),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }
}

/// Refuses the requests that SQS refuses. Where SQS accepts several forms and rustack only one, it rewrites
/// them to that one.
fn as_sqs_would(operation: SqsOperation, body: Bytes) -> Result<Bytes, SqsError> {
    let Ok(mut request) = serde_json::from_slice::<Value>(&body) else {
        return Ok(body); // Rustack has its own error for that.
    };
    if !request.is_object() {
        // Rustack takes a list for the fields in their order, past the checks below.
        let error = "The request is not a JSON object.";
        return Err(SqsError::new(SqsErrorCode::InvalidParameterValue, error));
    }
    match operation {
        SqsOperation::ReceiveMessage => {
            within(&request, "MaxNumberOfMessages", 1..=10)?;
            within(&request, "WaitTimeSeconds", 0..=20)?;
            within(&request, "VisibilityTimeout", 0..=43_200)?;
            Ok(body)
        }
        SqsOperation::ChangeMessageVisibility => {
            within(&request, "VisibilityTimeout", 0..=43_200)?;
            Ok(body)
        }
        SqsOperation::ChangeMessageVisibilityBatch => {
            // SQS refuses only these entries. For rustack, a negative time is one so long that it panics.
            for entry in request["Entries"].as_array().into_iter().flatten() {
                within(entry, "VisibilityTimeout", 0..=43_200)?;
            }
            Ok(body)
        }
        SqsOperation::CreateQueue | SqsOperation::SetQueueAttributes => {
            if let Some(policy) = request.pointer_mut("/Attributes/RedrivePolicy") {
                numeric_receive_count(policy);
            }
            Ok(request.to_string().into())
        }
        _ => Ok(body),
    }
}

fn within(
    request: &Value,
    name: &str,
    allowed: std::ops::RangeInclusive<i64>,
) -> Result<(), SqsError> {
    match request.get(name).and_then(Value::as_i64) {
        Some(value) if !allowed.contains(&value) => Err(SqsError::new(
            SqsErrorCode::InvalidParameterValue,
            format!(
                "Value {value} for parameter {name} is invalid. Reason: Must be between {} and {}, if provided.",
                allowed.start(),
                allowed.end()
            ),
        )),
        _ => Ok(()),
    }
}

/// Most examples have `{"maxReceiveCount":"3"}`, but rustack accepts only `{"maxReceiveCount":3}`.
fn numeric_receive_count(policy: &mut Value) {
    let Some(Ok(mut parsed)) = policy.as_str().map(serde_json::from_str::<Value>) else { return };
    let count = parsed.get("maxReceiveCount").and_then(Value::as_str);
    if let Some(Ok(count)) = count.map(str::parse::<i64>) {
        parsed["maxReceiveCount"] = count.into();
        *policy = parsed.to_string().into();
    }
}
