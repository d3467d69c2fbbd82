//! A node built on the generated server alone, which asks another node through the generated client: whoever speaks
//! through it speaks plain gRPC, both ways.

use futures_util::{StreamExt, future::ready};
use headwater_proto::{
    grpc::{channel, incoming, server_builder},
    v1::{
        self,
        storage_client::StorageClient,
        storage_server::{Storage, StorageServer},
    },
};
use headwater_types::limits::GRPC_MESSAGE_BYTES_MAX;
use tokio::{net::TcpListener, task::JoinHandle};
use tonic::{Request, Response, Status, Streaming, transport::Channel};

struct Relay(StorageClient<Channel>);

/// Serves a relay to the node at `to`; gives its own address.
pub async fn relay(to: &str) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let client = StorageClient::new(channel(to).unwrap()).max_decoding_message_size(GRPC_MESSAGE_BYTES_MAX);
    let server = server_builder()
        .add_service(StorageServer::new(Relay(client)).max_decoding_message_size(GRPC_MESSAGE_BYTES_MAX));
    let task = tokio::spawn(async move { server.serve_with_incoming(incoming(listener)).await.unwrap() });
    (address, task)
}

#[async_trait::async_trait]
impl Storage for Relay {
    async fn put(
        &self,
        request: Request<Streaming<v1::PutMessage>>,
    ) -> Result<Response<v1::PutReply>, Status> {
        let messages = request.into_inner().take_while(|m| ready(m.is_ok())).filter_map(|m| ready(m.ok()));
        self.0.clone().put(messages).await
    }

    type GetStream = Streaming<v1::GetMessage>;

    async fn get(&self, request: Request<v1::GetRequest>) -> Result<Response<Self::GetStream>, Status> {
        self.0.clone().get(request.into_inner()).await
    }

    async fn head(&self, request: Request<v1::HeadRequest>) -> Result<Response<v1::HeadReply>, Status> {
        self.0.clone().head(request.into_inner()).await
    }

    async fn delete(&self, request: Request<v1::DeleteRequest>) -> Result<Response<v1::DeleteReply>, Status> {
        self.0.clone().delete(request.into_inner()).await
    }

    async fn list(&self, request: Request<v1::ListRequest>) -> Result<Response<v1::ListReply>, Status> {
        self.0.clone().list(request.into_inner()).await
    }
}
