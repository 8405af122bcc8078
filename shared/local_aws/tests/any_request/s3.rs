//! Any request to S3.

use local_aws::BUCKET;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::{Body, Request, words};

/// The operations of S3: method, whether they are about an object, parameter, and the element that their body is.
const OPERATIONS: [(&str, bool, &str, &str); 20] = [
    ("PUT", false, "", "CreateBucketConfiguration"),
    ("DELETE", false, "", ""),
    ("HEAD", false, "", ""),
    ("GET", false, "", ""),
    ("GET", false, "list-type=2", ""),
    ("GET", false, "location", ""),
    ("GET", false, "versioning", ""),
    ("PUT", false, "versioning", "VersioningConfiguration"),
    ("GET", false, "notification", ""),
    ("PUT", false, "notification", "NotificationConfiguration"),
    ("POST", false, "delete", "Delete"),
    ("POST", false, "", ""),
    ("PUT", true, "", ""),
    ("GET", true, "", ""),
    ("HEAD", true, "", ""),
    ("DELETE", true, "", ""),
    ("POST", true, "uploads", ""),
    ("PUT", true, "uploadId=0000000000000003&partNumber=1", ""),
    ("POST", true, "uploadId=0000000000000003", "CompleteMultipartUpload"),
    ("DELETE", true, "uploadId=0000000000000003", ""),
];

pub fn request() -> impl Strategy<Value = Request> {
    let bucket = prop_oneof![
        9 => Just(BUCKET.to_owned()),
        3 => Just("b-2".to_owned()),
        2 => words("none %ff .. UPPER a%20b arn:aws:s3:::b"),
        1 => Just(String::new()),
    ];
    let key = prop_oneof![
        6 => words(
        "/ /k /k /k/ /a/b /a%20b /%ff /%zz // /../k /%00 /k%3Fversioning",
    ),
        1 => "(/[!-~&&[^#?%]]{1,20})",
        1 => (1000..1100_usize).prop_map(|length| format!("/{}", "k".repeat(length))),
    ];
    let query = prop_oneof![
        8 => words(
        "versioning notification location uploads delete list-type=2 prefix=k prefix=%ff delimiter=/ \
         delimiter= max-keys=0 max-keys=-1 max-keys=1 max-keys=99999999999 marker=k start-after=a \
         continuation-token=6b continuation-token=c3 continuation-token=zz encoding-type=url \
         encoding-type=x uploadId=0000000000000003 uploadId=x partNumber=1 partNumber=-1 \
         partNumber=99999999999 versionId=null versionId=0000000000000002 versionId= tagging acl \
         policy cors attributes select&select-type=2 response-content-type=%0a versions",
    ),
        1 => "[!-~&&[^#]]{0,20}",
    ];
    let header = (
        words(
            "range if-match if-none-match if-modified-since x-amz-copy-source \
             x-amz-copy-source-range content-md5 content-type content-encoding x-amz-decoded-content-length \
             x-amz-metadata-directive x-amz-meta-a x-amz-checksum-crc32 x-amz-sdk-checksum-algorithm x-amz-trailer \
             x-amz-tagging x-amz-server-side-encryption x-amz-acl x-amz-mfa origin \
             x-amz-write-offset-bytes",
        ),
        prop_oneof![
            6 => words(
                "bytes=0- bytes=1-0 bytes=-1 bytes=-0 bytes=99999999999999999999- bytes=0-0,1-1 * x \"x\" \"\" \
                 /warehouse.development/k warehouse.development/k?versionId=null b-2/%ff REPLACE COPY aws-chunked \
                 text/plain 9223372036854775807 -1 AAAAAA== CRC32 a=b&c multipart/form-data;boundary=x",
            ),
            1 => "[ -~é]{0,30}",
        ],
    );
    let operation = prop_oneof![
        9 => select(&OPERATIONS[..]),
        1 => (select(vec!["GET", "PUT", "POST", "OPTIONS"]), any::<bool>()).prop_map(|(method, object)| (method, object, "", "")),
    ];
    let request = (operation, bucket, key, vec(query, 0..2), vec(header, 0..2));
    request.prop_flat_map(
        |((method, is_object, parameter, element), bucket, key, mut query, headers)| {
            query.insert(0, parameter.to_owned());
            let key = if is_object { key } else { String::new() };
            let path = format!("/{bucket}{key}?{}", query.join("&"));
            body(element).prop_map(move |body| Request::S3 {
                method,
                path: path.clone(),
                headers: headers.clone(),
                body: Body(body),
            })
        },
    )
}

fn body(element: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let inside = prop_oneof![1 => xml(), 3 => elements()];
    prop_oneof![
        6 => inside.prop_map(move |inside| format!("<{element}>{inside}</{element}>").into()),
        1 => xml().prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..300),
        1 => Just("<Delete>".repeat(5000).into()),
        1 => Just(Vec::new()),
    ]
}

/// Some of the usual elements, with an element of any kind among them.
fn elements() -> impl Strategy<Value = String> {
    let usual = words(
        "<Status>Enabled</Status> <Status>Suspended</Status> <Object><Key>k</Key></Object> \
         <Object><Key>a/b</Key><VersionId>null</VersionId></Object> <Part><PartNumber>1</PartNumber></Part> \
         <Part><PartNumber>2</PartNumber><ETag>x</ETag></Part> \
         <QueueConfiguration><Queue>arn:aws:sqs:us-east-1:000000000000:queue</Queue>\
         <Event>s3:ObjectCreated:*</Event></QueueConfiguration> \
         <QueueConfiguration><Queue>arn:aws:sqs:us-east-1:000000000000:queue</Queue>\
         <Event>s3:ObjectCreated:Put</Event><Filter><S3Key><FilterRule><Name>prefix</Name><Value>k</Value>\
         </FilterRule></S3Key></Filter></QueueConfiguration>",
    );
    vec(prop_oneof![6 => usual, 1 => xml()], 1..4).prop_map(|elements| elements.concat())
}

/// XML that is made of the elements of S3's requests, in any place.
fn xml() -> impl Strategy<Value = String> {
    let texts = words(
        "k 1 -1 null Enabled Suspended 99999999999999999999 s3:ObjectCreated:* prefix eu-west-1 &lt;&#0; &none; ]]> \
         <![CDATA[x]]> <!--x--> \"d41d8cd98f00b204e9800998ecf8427e\" arn:aws:sqs:us-east-1:000000000000:queue \
         arn:aws:sqs:us-east-1:000000000000:none",
    );
    let text = prop_oneof![4 => texts, 1 => any::<String>()];
    text.prop_recursive(4, 30, 5, |inner| {
        let element = words(
            "Delete Object Key VersionId Quiet CompleteMultipartUpload Part PartNumber ETag \
         VersioningConfiguration Status NotificationConfiguration QueueConfiguration Queue Event \
         Filter S3Key FilterRule Name Value Id CreateBucketConfiguration LocationConstraint \
         TopicConfiguration",
        );
        (element, vec(inner, 0..4))
            .prop_map(|(name, inside)| format!("<{name}>{}</{name}>", inside.concat()))
    })
}
