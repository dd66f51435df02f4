//! `gantry.v1.Resources`.

use futures::{StreamExt, stream, stream::BoxStream};
use gantry_meta::Status;
use gantry_proto::v1::{
    DeleteRequest, GetRequest, ListChunk, ListRequest, ObjectReply, PatchRequest, WatchCommand, WatchMessage,
    WriteRequest, resources_server::Resources,
};
use gantry_registry::{ApiRequest, ApiResponse};
use tonic::{Request, Response, Streaming};

use crate::{
    answer,
    door::{Asked, Door},
    refusal::refusal,
    request, watch,
};

/// What each watch of a stream is about is said later on it.
const WATCH: &str = "/gantry.v1.Resources/Watch";
/// A call whose message does not say what it is about.
const UNREADABLE: &str = "/gantry.v1.Resources";

pub(crate) struct ResourcesService {
    pub door: Door,
}

type Reply<T> = Result<Response<T>, tonic::Status>;

impl ResourcesService {
    /// Reads, identifies, runs.
    async fn run<T>(
        &self,
        call: Request<T>,
        read: fn(T) -> Result<ApiRequest, Box<Status>>,
    ) -> Result<(ApiResponse, Vec<String>), Box<tonic::Status>> {
        let (metadata, extensions, message) = call.into_parts();
        let request = read(message);
        let asked = request.as_ref().map_or(Asked::Method(UNREADABLE), Asked::Resource);
        let caller = self.door.caller(&metadata, &extensions, asked).map_err(|status| refusal(*status))?;
        let request = request.map_err(|status| refusal(*status))?;
        let (answer, warnings) = caller.execute(request).await;
        Ok((answer.map_err(refusal)?, warnings))
    }

    async fn object<T>(&self, call: Request<T>, read: fn(T) -> Result<ApiRequest, Box<Status>>) -> Reply<ObjectReply> {
        let (answer, warnings) = self.run(call, read).await.map_err(|status| *status)?;
        answer::object(answer, warnings).map(Response::new).map_err(|status| *refusal(status))
    }
}

#[tonic::async_trait]
impl Resources for ResourcesService {
    async fn get(&self, call: Request<GetRequest>) -> Reply<ObjectReply> {
        self.object(call, request::get).await
    }

    type ListStream = BoxStream<'static, Result<ListChunk, tonic::Status>>;

    async fn list(&self, call: Request<ListRequest>) -> Reply<Self::ListStream> {
        let (answer, _) = self.run(call, request::list).await.map_err(|status| *status)?;
        let ApiResponse::List(list) = answer else {
            return Err(*refusal(Status::internal("the executor answered a list with something else")));
        };
        Ok(Response::new(stream::iter(answer::chunks(&list)).map(Ok).boxed()))
    }

    type WatchStream = BoxStream<'static, Result<WatchMessage, tonic::Status>>;

    async fn watch(&self, call: Request<Streaming<WatchCommand>>) -> Reply<Self::WatchStream> {
        let (metadata, extensions, commands) = call.into_parts();
        let caller =
            self.door.caller(&metadata, &extensions, Asked::Method(WATCH)).map_err(|status| *refusal(*status))?;
        Ok(Response::new(watch::multiplex(caller, commands).map(Ok).boxed()))
    }

    async fn create(&self, call: Request<WriteRequest>) -> Reply<ObjectReply> {
        self.object(call, request::create).await
    }

    async fn update(&self, call: Request<WriteRequest>) -> Reply<ObjectReply> {
        self.object(call, request::update).await
    }

    async fn patch(&self, call: Request<PatchRequest>) -> Reply<ObjectReply> {
        self.object(call, request::patch).await
    }

    async fn delete(&self, call: Request<DeleteRequest>) -> Reply<ObjectReply> {
        self.object(call, request::delete).await
    }
}
