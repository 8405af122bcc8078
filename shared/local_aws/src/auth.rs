//! The keys with which the embedded S3 answers requests.

use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3Result, s3_error};

use super::ACCESS_KEY;

/// There is one user.
pub(super) struct Auth;

#[async_trait::async_trait]
impl S3Auth for Auth {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == ACCESS_KEY {
            return Ok(ACCESS_KEY.into());
        }
        Err(s3_error!(
            InvalidAccessKeyId,
            "The embedded S3 does not know this access key: use {ACCESS_KEY}/{ACCESS_KEY}"
        ))
    }
}
