//! Sends traces by OTLP over gRPC, in batches, and says in the log when the collector goes and comes back.

use opentelemetry::KeyValue;
use opentelemetry_otlp::{SpanExporter as OtlpExporter, WithExportConfig as _};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{Sampler, SdkTracerProvider, SpanData, SpanExporter},
};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use crate::{
    VERSION,
    config::{LogConfig, Service},
    init::TelemetryError,
};

/// How long the collector may take over one batch.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// The provider of tracers, or none if no endpoint is configured. The batch queue is bounded by the SDK (2048 spans by
/// default; what does not fit is dropped), so a caller who asks for every trace cannot use up memory.
pub fn provider(config: &LogConfig) -> Result<Option<SdkTracerProvider>, TelemetryError> {
    if !(0.0..=1.0).contains(&config.trace_ratio) {
        return Err(TelemetryError::Ratio(config.trace_ratio));
    }
    let Some(endpoint) = &config.otlp_endpoint else { return Ok(None) };
    check_endpoint(endpoint)?;
    let exporter = OtlpExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .with_timeout(EXPORT_TIMEOUT)
        .build()
        .map_err(|error| refused(endpoint, &error.to_string()))?;
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(ReportingExporter { inner: exporter, failing: AtomicBool::new(false) })
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.trace_ratio))))
        .with_resource(resource(&config.service))
        .build();
    Ok(Some(provider))
}

fn check_endpoint(endpoint: &str) -> Result<(), TelemetryError> {
    let uri: http::Uri = endpoint.parse().map_err(|_| refused(endpoint, "expected http://host:port"))?;
    match (uri.scheme_str(), uri.authority()) {
        (Some("http"), Some(_)) => Ok(()),
        _ => Err(refused(endpoint, "expected http://host:port; for TLS put a collector beside the process")),
    }
}

fn refused(endpoint: &str, reason: &str) -> TelemetryError {
    TelemetryError::Endpoint { given: endpoint.to_owned(), reason: reason.to_owned() }
}

/// Who sends, by the OpenTelemetry semantic conventions for resources.
fn resource(service: &Service) -> Resource {
    let mut attributes = vec![
        KeyValue::new("service.name", service.name.clone()),
        KeyValue::new("service.version", VERSION),
        KeyValue::new("headwater.role", service.role.clone()),
    ];
    if let Some(node) = service.node {
        attributes.push(KeyValue::new("service.instance.id", node.to_string()));
    }
    if let Some(zone) = &service.zone {
        attributes.push(KeyValue::new("cloud.availability_zone", zone.to_string()));
    }
    Resource::builder().with_attributes(attributes).build()
}

/// Logs the first failed batch and the first good one after it; the SDK itself is silent.
#[derive(Debug)]
struct ReportingExporter {
    inner: OtlpExporter,
    failing: AtomicBool,
}

impl SpanExporter for ReportingExporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let result = self.inner.export(batch).await;
        let failed_before = self.failing.swap(result.is_err(), Ordering::Relaxed);
        match &result {
            Err(error) if !failed_before => tracing::warn!(%error, "traces cannot be sent and are dropped"),
            Ok(()) if failed_before => tracing::info!("traces can be sent again"),
            _ => {}
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
