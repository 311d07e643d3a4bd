//! The AWS SDK's requests on our transport: one pool, one TLS configuration, one set of proxies for both engines.

use aws_smithy_runtime_api::client::http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use brigade_http::{Kind, Transport, TransportError};
use std::time::Duration;

/// The SDK's view of the transport.
#[derive(Clone, Debug)]
pub(crate) struct SdkHttp(pub(crate) Transport);

#[derive(Debug)]
struct Connector {
    transport: Transport,
    /// Set by callers that must not wait for the transport's own, longer limits (the metadata service of a machine).
    head_timeout: Option<Duration>,
}

impl HttpClient for SdkHttp {
    fn http_connector(&self, settings: &HttpConnectorSettings, _components: &RuntimeComponents) -> SharedHttpConnector {
        let head_timeout = match (settings.connect_timeout(), settings.read_timeout()) {
            (connect, Some(read)) => Some(connect.unwrap_or_default() + read),
            _ => None,
        };
        SharedHttpConnector::new(Connector { transport: self.0.clone(), head_timeout })
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let transport = self.transport.clone();
        let head_timeout = self.head_timeout;
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
            let sending = transport.send_any(request);
            let response = match head_timeout {
                Some(limit) => match tokio::time::timeout(limit, sending).await {
                    Ok(response) => response,
                    Err(elapsed) => return Err(ConnectorError::timeout(elapsed.into())),
                },
                None => sending.await,
            };
            let response = response.map_err(connector_error)?.into_http().map(SdkBody::from_body_1_x);
            HttpResponse::try_from(response).map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

fn connector_error(error: TransportError) -> ConnectorError {
    match error.kind() {
        Kind::Stalled => ConnectorError::timeout(error.into()),
        Kind::Request | Kind::Body | Kind::Config => ConnectorError::user(error.into()),
        _ => ConnectorError::io(error.into()),
    }
}
