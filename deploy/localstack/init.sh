#!/usr/bin/env bash
# Makes the bucket and the queues of palleto.yaml in LocalStack, which runs this at every start, because it keeps nothing.
set -euo pipefail

export AWS_DEFAULT_REGION=us-east-1
bucket=warehouse.development
queue=warehouse_raw_events

dead_letters=$(awslocal sqs create-queue --queue-name "${queue}_dead" \
    --attributes MessageRetentionPeriod=1209600 --query QueueUrl --output text)
dead_letters_arn=$(awslocal sqs get-queue-attributes --queue-url "$dead_letters" \
    --attribute-names QueueArn --query Attributes.QueueArn --output text)
queue_arn=${dead_letters_arn%_dead}

redrive='{"deadLetterTargetArn": "'$dead_letters_arn'", "maxReceiveCount": "5"}'
policy='{"Version": "2012-10-17", "Statement": [{
    "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": "'$queue_arn'",
    "Condition": {"ArnEquals": {"aws:SourceArn": "arn:aws:s3:::'$bucket'"}}
}]}'
# An attribute is a string, so these two are JSON in JSON.
escaped() { local json=${1//$'\n'/}; printf '%s' "${json//\"/\\\"}"; }
awslocal sqs create-queue --queue-name "$queue" --attributes '{
    "ReceiveMessageWaitTimeSeconds": "20",
    "VisibilityTimeout": "120",
    "RedrivePolicy": "'"$(escaped "$redrive")"'",
    "Policy": "'"$(escaped "$policy")"'"
}'

awslocal s3api create-bucket --bucket "$bucket"
awslocal s3api put-bucket-notification-configuration --bucket "$bucket" --notification-configuration '{
    "QueueConfigurations": [{"QueueArn": "'"$queue_arn"'", "Events": ["s3:ObjectCreated:*"]}]
}'
