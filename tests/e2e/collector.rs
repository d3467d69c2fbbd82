//! A collector of traces: takes OTLP over gRPC and keeps what it was sent.

use headwater_testkit::until;
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{KeyValue, any_value::Value},
    trace::v1::Span,
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::net::TcpListener;
use tonic::{Request, Response, Status, service::Routes};

/// A running collector.
#[derive(Debug, Clone, Default)]
pub struct Collector {
    exported: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
}

/// A span, and whose it is.
#[derive(Debug, Clone)]
pub struct Exported {
    /// `headwater.role` of the process.
    pub role: String,
    /// `cloud.availability_zone` of the process, if it has one.
    pub zone: Option<String>,
    /// The span.
    pub span: Span,
}

impl Collector {
    /// Starts one, and answers its `http://host:port` too.
    pub async fn start() -> (Self, String) {
        let collector = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let routes = Routes::new(TraceServiceServer::new(collector.clone())).into_axum_router();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (collector, endpoint)
    }

    /// Everything that came, as text.
    pub fn text(&self) -> String {
        format!("{:?}", self.exported.lock().unwrap())
    }

    /// The spans of one trace so far.
    pub fn trace(&self, id: &[u8]) -> Vec<Exported> {
        let mut found = Vec::new();
        for exported in self.exported.lock().unwrap().iter().flat_map(|request| &request.resource_spans) {
            let resource = exported.resource.as_ref().map_or(&[][..], |resource| &resource.attributes);
            let spans = exported.scope_spans.iter().flat_map(|scope| &scope.spans);
            found.extend(spans.filter(|span| span.trace_id == id).map(|span| Exported {
                role: attribute(resource, "headwater.role").unwrap_or_default(),
                zone: attribute(resource, "cloud.availability_zone"),
                span: span.clone(),
            }));
        }
        found
    }

    /// Waits until a trace has a span of each of these names.
    pub async fn wait_for(&self, id: &[u8], names: &[&str]) {
        until("the spans are exported", Duration::from_secs(15), || async {
            let spans = self.trace(id);
            names.iter().all(|name| spans.iter().any(|found| found.span.name == *name)).then_some(())
        })
        .await;
    }
}

fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        _ => None,
    }
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.exported.lock().unwrap().push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}
