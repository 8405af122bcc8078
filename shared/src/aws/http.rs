//! The SDK's HTTP client: which certificates it trusts, and which proxy it goes through.

use std::fmt;
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use hyper::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::UsageError;

/// How requests leave this machine.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    certificates: TlsContext,
}

impl Http {
    /// Trusts the certificates in this file, if one is given, or else those of the machine.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or has no certificate.
    pub(crate) fn new(ca_bundle: Option<&Path>) -> Result<Self, UsageError> {
        let Some(path) = ca_bundle else { return Ok(Self { certificates: TlsContext::default() }) };
        let error = |reason: &dyn fmt::Display| {
            let path = path.display();
            UsageError::new(format!(
                "the certificates in {path} (AWS_CA_BUNDLE, or ca_bundle in the profile) cannot be used: {reason}"
            ))
        };
        let pem = fs::read(path).map_err(|reason| error(&reason))?;
        // The SDK reads them again, and panics if it cannot.
        let mut readable = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|reason| error(&reason))?;
            readable.add(certificate).map_err(|reason| error(&reason))?;
        }
        if readable.is_empty() {
            return Err(error(&"there are none"));
        }
        let trusted = TrustStore::empty().with_pem_certificate(pem);
        let certificates = TlsContext::builder().with_trust_store(trusted).build();
        Ok(Self { certificates: certificates.map_err(|reason| error(&reason))? })
    }

    /// A client that goes through the proxy in the environment, if one is set, except to this machine.
    pub(super) fn client(&self) -> SharedHttpClient {
        let direct = self.build(ProxyConfig::disabled());
        let Some(proxies) = proxies() else { return direct };
        let through = self.build(ProxyConfig::from_env());
        SharedHttpClient::new(ByProxy { direct, through, proxies })
    }

    /// The same, for requests that are not the SDK's.
    #[cfg(feature = "otel")]
    pub(crate) fn connector(&self) -> SharedHttpConnector {
        let connect = |proxy| {
            let connector = Connector::builder().proxy_config(proxy);
            let connector = connector.tls_provider(Provider::Rustls(CryptoMode::AwsLc));
            SharedHttpConnector::new(connector.tls_context(self.certificates.clone()).build())
        };
        let direct = connect(ProxyConfig::disabled());
        let Some(proxies) = proxies() else { return direct };
        let through = connect(ProxyConfig::from_env());
        SharedHttpConnector::new(ByProxy { direct, through, proxies })
    }

    fn build(&self, proxy: ProxyConfig) -> SharedHttpClient {
        let certificates = self.certificates.clone();
        // As the SDK builds its own.
        Builder::new().build_with_connector_fn(move |settings, components| {
            let mut connector = Connector::builder().proxy_config(proxy.clone());
            connector.set_connector_settings(settings.cloned());
            connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
            let connector = connector.tls_provider(Provider::Rustls(CryptoMode::AwsLc));
            connector.tls_context(certificates.clone()).build()
        })
    }
}

/// The proxies in the environment, if there are any.
fn proxies() -> Option<Arc<Matcher>> {
    let proxies = Matcher::from_env();
    let elsewhere = ["http://elsewhere.invalid", "https://elsewhere.invalid"].map(Uri::from_static);
    elsewhere.iter().any(|uri| proxies.intercept(uri).is_some()).then(|| Arc::new(proxies))
}

/// Goes through a proxy to other machines, and names it in errors, because otherwise they seem to be those of SQS
/// and S3.
#[derive(Debug)]
struct ByProxy<T> {
    direct: T,
    through: T,
    proxies: Arc<Matcher>,
}

/// The error of a request that did not get through.
#[derive(Debug, thiserror::Error)]
#[error("through the proxy {proxy}")]
struct NotThrough {
    proxy: Uri,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl HttpClient for ByProxy<SharedHttpClient> {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(ByProxy {
            direct: self.direct.http_connector(settings, components),
            through: self.through.http_connector(settings, components),
            proxies: self.proxies.clone(),
        })
    }
}

impl HttpConnector for ByProxy<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let uri: Option<Uri> = request.uri().parse().ok();
        // A proxy knows another machine by these names.
        if uri.as_ref().is_some_and(is_on_this_machine) {
            return self.direct.call(request);
        }
        let proxy = uri.and_then(|uri| self.proxies.intercept(&uri));
        let answer = self.through.call(request);
        let Some(proxy) = proxy else { return answer };
        HttpConnectorFuture::new(async move {
            answer.await.map_err(|error| {
                let proxy = proxy.uri().clone();
                let (kind, is_io, is_timeout) =
                    (error.as_other(), error.is_io(), error.is_timeout());
                let error = NotThrough { proxy, source: error.into_source() }.into();
                match (is_io, is_timeout) {
                    (true, _) => ConnectorError::io(error),
                    (_, true) => ConnectorError::timeout(error),
                    _ => ConnectorError::other(error, kind),
                }
            })
        })
    }
}

fn is_on_this_machine(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_loopback = host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    is_loopback || host == "localhost" || host.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_this_machine_is_known_by_its_name() {
        for uri in
            ["http://127.0.0.1:1", "http://localhost", "https://[::1]:2/", "http://s3.localhost:3"]
        {
            assert!(is_on_this_machine(&Uri::from_static(uri)), "{uri}");
        }
        for uri in ["http://10.0.0.1", "https://localhost.example", "http://127.example"] {
            assert!(!is_on_this_machine(&Uri::from_static(uri)), "{uri}");
        }
    }
}
