//! Lists: assembled from slices shared with the cache, in pieces where they are long.

use std::{convert::Infallible, sync::Arc};

use actix_web::HttpResponse;
use bytes::{Bytes, BytesMut};
use futures::{StreamExt as _, stream};
use gantry_codec::ListMeta;
use gantry_kinds::Resource;
use gantry_meta::Status;
use gantry_registry::{ListItem, ListResponse};

use super::{Encoding, View, Wish, encoded, gzip, records::Records, view};

/// A list longer than this is sent in pieces, so that it never stands in memory twice.
const WHOLE_MAX_BYTES: usize = 1 << 20;
/// About the size of a piece: what is copied is still in the processor's cache when it is encrypted.
const PIECE_BYTES: usize = 64 << 10;
/// Behind the last item: an answer is a line.
const END: &[u8] = b"]}\n";

pub(crate) fn list(answer: ListResponse, resource: &Resource, wish: Wish<'_>) -> Result<HttpResponse, Status> {
    let encoding = wish.accepted.encoding;
    let mut response = HttpResponse::Ok();
    response.content_type(encoding.content_type());
    let view = View::new(wish.accepted.form, resource, "", wish.include_object)?;
    let plain = encoding == Encoding::Json && !wish.pretty && view.is_none();
    let total: usize = answer.items.iter().map(|item| item.tail().len() + 2).sum();
    if plain && !wish.gzip && total > WHOLE_MAX_BYTES {
        return Ok(response.streaming(Records::of(pieces(resource, answer).boxed_local())));
    }
    let body = match view {
        None if plain => whole(resource, &answer, total),
        None => encoded(&whole(resource, &answer, total), encoding, wish.pretty).into(),
        Some(view) => encoded(&viewed(&view, &answer), encoding, wish.pretty).into(),
    };
    Ok(gzip::body(&mut response, body, wish.gzip))
}

fn meta(answer: &ListResponse) -> ListMeta {
    ListMeta {
        resource_version: answer.metadata.resource_version.clone(),
        continue_token: answer.metadata.continue_token.clone(),
        remaining_item_count: answer.metadata.remaining_item_count,
    }
}

fn head(resource: &Resource, answer: &ListResponse) -> Vec<u8> {
    let mut head = Vec::with_capacity(256);
    gantry_codec::write_list_head(&resource.list_kind, &resource.api_version, &meta(answer), &mut head);
    head
}

fn write_item(item: &ListItem, first: bool, out: &mut BytesMut) {
    out.extend_from_slice(if first { b"{" } else { b",{" });
    out.extend_from_slice(item.tail());
}

fn whole(resource: &Resource, answer: &ListResponse, total: usize) -> Bytes {
    let head = head(resource, answer);
    let mut out = BytesMut::with_capacity(head.len() + total + END.len());
    out.extend_from_slice(&head);
    answer.items.iter().enumerate().for_each(|(at, item)| write_item(item, at == 0, &mut out));
    out.extend_from_slice(END);
    out.freeze()
}

fn viewed(view: &View, answer: &ListResponse) -> Vec<u8> {
    let objects = answer.items.iter().map(|item| view::tree(&item.json));
    let shown = view.many(objects, &meta(answer));
    serde_json::to_vec(&shown).expect("a tree can always be written")
}

/// The list as pieces, each made when the one before is sent.
fn pieces(resource: &Resource, answer: ListResponse) -> impl futures::Stream<Item = Result<Bytes, Infallible>> + use<> {
    let head = head(resource, &answer);
    let items: Arc<[ListItem]> = answer.items.into();
    stream::unfold((Some(head), items, 0), |(head, items, mut at)| async move {
        if at > items.len() {
            return None;
        }
        let mut piece = BytesMut::with_capacity(PIECE_BYTES + (8 << 10));
        piece.extend_from_slice(head.as_deref().unwrap_or_default());
        while at < items.len() && piece.len() < PIECE_BYTES {
            write_item(&items[at], at == 0, &mut piece);
            at += 1;
        }
        if at == items.len() {
            piece.extend_from_slice(END);
            at += 1;
        }
        Some((Ok(piece.freeze()), (None, items, at)))
    })
}
