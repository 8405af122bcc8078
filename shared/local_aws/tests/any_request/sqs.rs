//! Any request to SQS.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use super::{Body, Request, words};

const OPERATIONS: &str = "CreateQueue DeleteQueue GetQueueUrl ListQueues \
    GetQueueAttributes SetQueueAttributes PurgeQueue SendMessage \
    SendMessageBatch ReceiveMessage DeleteMessage DeleteMessageBatch \
    ChangeMessageVisibility ChangeMessageVisibilityBatch TagQueue UntagQueue \
    ListQueueTags AddPermission RemovePermission ListDeadLetterSourceQueues \
    StartMessageMoveTask CancelMessageMoveTask ListMessageMoveTasks NoSuchOperation";

/// Where a body has this, the request has the receipt of a message that was received before.
pub const RECEIPT: &str = "RECEIPT";
/// Where a body has this, the request has the queue's URL.
pub const QUEUE_URL: &str = "QUEUE_URL";
/// The queue's ARN.
const QUEUE_ARN: &str = "arn:aws:sqs:us-east-1:000000000000:queue";

pub fn request() -> impl Strategy<Value = Request> {
    let operation = prop_oneof![20 => words(OPERATIONS), 1 => "[ -~]{0,20}"];
    (operation, body()).prop_map(|(operation, body)| Request::Sqs { operation, body: Body(body) })
}

fn number() -> impl Strategy<Value = Value> {
    let limits = [i32::MAX.into(), i32::MIN.into(), i64::MAX, i64::MIN];
    let numbers = [[0, 1, -1, 10], [20, 900, 43_200, 43_201], limits].concat();
    prop_oneof![
        9 => select(numbers).prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
    ]
}

/// A value that a field of SQS can have, or nearly.
fn value() -> impl Strategy<Value = Value> {
    let texts = words(
        "QUEUE_URL RECEIPT queue queue.fifo arn:aws:sqs:us-east-1:000000000000:queue All 3 -1 99999999999 true Number \
         Binary String text http://127.0.0.1/no/such :::: \
         {\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:000000000000:queue\",\"maxReceiveCount\":\"1\"} \
         {\"deadLetterTargetArn\":\"x\",\"maxReceiveCount\":-1}",
    );
    let leaf = prop_oneof![
        4 => texts.prop_map(Value::from),
        3 => number(),
        1 => any::<String>().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(4, 30, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..12).prop_map(Value::from),
            vec((field(), inner), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// The names of SQS's fields and attributes.
fn field() -> impl Strategy<Value = String> {
    words(
        "QueueName QueueUrl Attributes AttributeNames Entries Id MessageBody DelaySeconds \
         MessageAttributes DataType StringValue BinaryValue MessageGroupId MessageDeduplicationId \
         MaxNumberOfMessages WaitTimeSeconds VisibilityTimeout ReceiptHandle Tags TagKeys Label \
         AWSAccountIds Actions SourceArn DestinationArn TaskHandle MaxResults NextToken \
         QueueNamePrefix RedrivePolicy RedriveAllowPolicy Policy FifoQueue MessageRetentionPeriod \
         MaximumMessageSize ReceiveMessageWaitTimeSeconds ContentBasedDeduplication \
         MaxNumberOfMessagesPerSecond MessageSystemAttributes",
    )
}

/// The fields that most operations need, so that not all requests fail at the first one that is missing.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let entry =
        (option::weighted(0.8, number()), option::of(number()), option::weighted(0.1, value()));
    let entry = entry.prop_map(|(visibility, delay, id)| {
        let mut entry = json!({"Id": id, "ReceiptHandle": RECEIPT, "MessageBody": "text"});
        if let Some(number) = visibility {
            entry["VisibilityTimeout"] = number;
        }
        if let Some(number) = delay {
            entry["DelaySeconds"] = number;
        }
        entry
    });
    let attribute = prop_oneof![value(), number().prop_map(|number| number.to_string().into())];
    let plausible = (
        vec(entry, 0..4),
        vec((field(), value()), 0..4),
        vec((field(), attribute), 0..2),
        option::of(number()),
    )
        .prop_map(|(mut entries, others, attributes, visibility)| {
            for (number, entry) in entries.iter_mut().enumerate().filter(|(_, entry)| entry["Id"].is_null()) {
                entry["Id"] = number.to_string().into();
            }
            let attributes: Map<_, _> = attributes.into_iter().collect();
            let mut body = json!({
                "QueueUrl": QUEUE_URL, "ReceiptHandle": RECEIPT, "MessageBody": "text", "QueueName": "queue2",
                "Entries": entries, "Attributes": attributes, "Label": "label", "AWSAccountIds": ["1"],
                "Actions": ["*"], "Tags": {"a": "b"}, "TagKeys": ["a"], "SourceArn": QUEUE_ARN, "TaskHandle": "x",
            });
            if let Some(number) = visibility {
                body["VisibilityTimeout"] = number;
            }
            for (name, value) in others {
                body[name] = value;
            }
            body
        });
    // As a list, the fields have no names but are in their order.
    let listed =
        vec(prop_oneof![Just(json!(QUEUE_URL)), Just(json!(RECEIPT)), number(), value()], 0..8);
    prop_oneof![
        8 => plausible.prop_map(|body| body.to_string().into()),
        2 => listed.prop_map(|body| Value::from(body).to_string().into()),
        2 => value().prop_map(|body| body.to_string().into()),
        1 => vec(any::<u8>(), 0..100),
        1 => Just(["[".repeat(5000), "]".repeat(5000)].concat().into()),
    ]
}
