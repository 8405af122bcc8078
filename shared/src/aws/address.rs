//! Where SQS and S3 are: the settings of every AWS tool, and a queue's URL.

use aws_config::{Region, SdkConfig};
use aws_types::service_config::ServiceConfigKey;

/// Where a service is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Address {
    /// `None` for AWS's own address in the region.
    pub(crate) endpoint: Option<String>,
    /// Requests are signed for it.
    pub(crate) region: Option<Region>,
}

impl Address {
    /// SQS's and S3's, as the configuration and the queue's URL have them.
    ///
    /// A service's own endpoint wins over that of all services, and any endpoint over the queue's URL, because an
    /// SQS that is not AWS's can make URLs that lead nowhere. Otherwise the queue's URL wins over the configured
    /// region: the queue is nowhere else. S3 tells only queues in its own region of new objects.
    pub(crate) fn of_sqs_and_s3(config: &SdkConfig, queue_url: Option<&str>) -> (Self, Self) {
        let [mut sqs, mut s3] = ["SQS", "S3"].map(|service| Self::of(config, service));
        let queue = queue_url.map(Self::of_queue).unwrap_or_default();
        let url_wins = sqs.endpoint.is_none();
        for address in [&mut sqs, &mut s3] {
            let configured = address.region.take();
            address.region = if url_wins && address.endpoint.is_none() {
                queue.region.clone().or(configured)
            } else {
                configured.or_else(|| queue.region.clone())
            };
        }
        if url_wins {
            sqs.endpoint = queue.endpoint;
        }
        (sqs, s3)
    }

    /// As the configuration has it for a service.
    pub(super) fn of(config: &SdkConfig, service: &str) -> Self {
        let endpoint = configured_endpoint(config, service);
        Self { endpoint, region: config.region().cloned() }
    }

    /// The one in a queue's URL. AWS has several forms of it: `https://sqs.eu-west-1.amazonaws.com/…`,
    /// `https://sqs-fips.…`, `https://vpce-….sqs.eu-west-1.vpce.amazonaws.com/…`, and the old
    /// `https://eu-west-1.queue.amazonaws.com/…` and `https://queue.amazonaws.com/…`.
    fn of_queue(url: &str) -> Self {
        let Some((scheme, rest)) = url.split_once("://") else { return Self::default() };
        let host = rest.split('/').next().unwrap_or_default();
        let labels: Vec<_> = host.split('.').collect();
        let region = labels.windows(2).find_map(|pair| match pair {
            ["sqs" | "sqs-fips", region] | [region, "queue"] if is_region(region) => Some(*region),
            _ => None,
        });
        let is_old = labels.contains(&"queue") && host.ends_with(".amazonaws.com");
        let region = region.or(is_old.then_some("us-east-1"));
        // The SDK knows these itself, and some of its settings exclude an endpoint of ours.
        let is_known = is_old
            || region.is_some()
                && host.starts_with("sqs.")
                && !host.ends_with(".api.aws")
                && is_at_aws(url);
        let endpoint = (!is_known).then(|| format!("{scheme}://{host}"));
        Self { endpoint, region: region.map(|region| Region::new(region.to_owned())) }
    }
}

/// The endpoint that the SDK would use for this service: that of `--endpoint-url`, or else of
/// `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, or the profile's `services` and `endpoint_url`.
fn configured_endpoint(config: &SdkConfig, service: &str) -> Option<String> {
    let of_all = config.endpoint_url().filter(|url| !url.is_empty()).map(str::to_owned);
    if config.get_origin("endpoint_url").is_client_config() {
        return of_all;
    }
    setting(config, service, "AWS_ENDPOINT_URL", "endpoint_url").or(of_all)
}

/// A setting of the environment, or else of the profile. A service can have its own.
pub(super) fn setting(
    config: &SdkConfig,
    service: &str,
    env: &str,
    profile: &str,
) -> Option<String> {
    let key =
        ServiceConfigKey::builder().service_id(service).env(env).profile(profile).build().ok()?;
    config.service_config()?.load_config(key).filter(|value| !value.is_empty())
}

/// Whether the host of this URL is AWS's.
pub(crate) fn is_at_aws(url: &str) -> bool {
    let host = url.split('/').nth(2).unwrap_or_default();
    [".amazonaws.com", ".amazonaws.com.cn", ".api.aws"].iter().any(|it| host.ends_with(it))
}

/// Whether an endpoint and a queue's URL seem to be at different servers.
///
/// AWS has several addresses of one queue, and `LocalStack` gives every queue an address in its own domain, whichever
/// address it has itself.
pub(super) fn are_two_places(endpoint: &str, queue_url: &str) -> bool {
    let [endpoint_place, queue_place] = [endpoint, queue_url].map(place);
    if is_at_aws(endpoint) && is_at_aws(queue_url) {
        return false;
    }
    let is_same_host =
        endpoint_place.0 == queue_place.0 || queue_place.0.ends_with(".localhost.localstack.cloud");
    !is_same_host || endpoint_place.1 != queue_place.1
}

/// The host and the port of a URL. All names of this machine count as one.
fn place(url: &str) -> (String, &str) {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let authority = rest.split('/').next().unwrap_or_default();
    let port = if scheme == "https" { "443" } else { "80" };
    // The address of IPv6 has colons, and ends with a bracket.
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (authority, port),
    };
    let host = host.to_ascii_lowercase();
    let is_here = ["localhost", "127.0.0.1", "[::1]"].contains(&&*host);
    (if is_here { "localhost".to_owned() } else { host }, port)
}

/// `us-east-1`, `us-gov-west-1`.
fn is_region(label: &str) -> bool {
    label.contains('-') && label.ends_with(|last: char| last.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queues_url_says_where_it_is() {
        for (url, region, endpoint) in [
            ("https://sqs.eu-west-1.amazonaws.com/1/q", Some("eu-west-1"), None),
            ("https://sqs.cn-north-1.amazonaws.com.cn/1/q", Some("cn-north-1"), None),
            ("https://eu-west-1.queue.amazonaws.com/1/q", Some("eu-west-1"), None),
            ("https://queue.amazonaws.com/1/q", Some("us-east-1"), None),
            (
                "https://sqs-fips.us-gov-west-1.amazonaws.com/1/q",
                Some("us-gov-west-1"),
                Some("https://sqs-fips.us-gov-west-1.amazonaws.com"),
            ),
            (
                "https://vpce-1-a.sqs.eu-west-1.vpce.amazonaws.com/1/q",
                Some("eu-west-1"),
                Some("https://vpce-1-a.sqs.eu-west-1.vpce.amazonaws.com"),
            ),
            (
                "https://sqs.eu-west-1.api.aws/1/q",
                Some("eu-west-1"),
                Some("https://sqs.eu-west-1.api.aws"),
            ),
            (
                "http://sqs.eu-west-1.localhost.localstack.cloud:4566/1/q",
                Some("eu-west-1"),
                Some("http://sqs.eu-west-1.localhost.localstack.cloud:4566"),
            ),
            ("http://localhost:4566/1/q", None, Some("http://localhost:4566")),
            ("http://queue.example:9324/q", None, Some("http://queue.example:9324")),
            ("http://[::1]:9324", None, Some("http://[::1]:9324")),
        ] {
            let found = Address::of_queue(url);
            assert_eq!(found.region.as_ref().map(AsRef::as_ref), region, "{url}");
            assert_eq!(found.endpoint.as_deref(), endpoint, "{url}");
        }
    }

    #[test]
    fn an_endpoint_and_a_queues_url_can_be_two_places() {
        for (endpoint, url) in [
            ("http://127.0.0.1:4566", "http://127.0.0.1:4566/0/q"),
            ("http://127.0.0.1:4566/", "http://localhost:4566/0/q"),
            ("http://[::1]:4566", "http://LOCALHOST:4566/0/q"),
            ("http://localhost:4566", "http://sqs.eu-west-1.localhost.localstack.cloud:4566/0/q"),
            ("http://localstack:4566", "http://sqs.eu-west-1.localhost.localstack.cloud:4566/0/q"),
            ("https://sqs.example", "https://sqs.example:443/0/q"),
            (
                "https://vpce-1-a.sqs.eu-west-1.vpce.amazonaws.com",
                "https://sqs.eu-west-1.amazonaws.com/0/q",
            ),
        ] {
            assert!(!are_two_places(endpoint, url), "{endpoint} {url}");
        }
        for (endpoint, url) in [
            ("http://127.0.0.1:4566", "http://127.0.0.1:4567/0/q"),
            ("http://[::1]:4566", "http://[::1]/0/q"),
            ("http://localstack:4566", "http://localhost:4566/0/q"),
            ("http://localhost:4566", "http://sqs.eu-west-1.localhost.localstack.cloud:4567/0/q"),
            ("http://localhost:4566", "https://sqs.eu-west-1.amazonaws.com/0/q"),
            ("https://sqs.eu-west-1.amazonaws.com", "http://localhost:4566/0/q"),
        ] {
            assert!(are_two_places(endpoint, url), "{endpoint} {url}");
        }
    }

    #[test]
    fn the_region_of_the_queue_is_that_of_the_bucket_too_unless_s3_is_elsewhere() {
        let url = Some("https://sqs.eu-west-1.amazonaws.com/1/q");
        let config = SdkConfig::builder().region(Region::new("us-east-1")).build();
        let regions =
            |(sqs, s3): (Address, Address)| [sqs, s3].map(|it| it.region.unwrap().to_string());
        assert_eq!(regions(Address::of_sqs_and_s3(&config, url)), ["eu-west-1", "eu-west-1"]);
        assert_eq!(regions(Address::of_sqs_and_s3(&config, None)), ["us-east-1", "us-east-1"]);
        let elsewhere = config.into_builder().endpoint_url("http://localhost:4566").build();
        let (sqs, s3) = Address::of_sqs_and_s3(&elsewhere, url);
        assert_eq!(sqs.endpoint, s3.endpoint);
        assert_eq!(regions((sqs, s3)), ["us-east-1", "us-east-1"]);
    }
}
