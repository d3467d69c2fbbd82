//! Bodies in awkward pieces, at and past their limits.

use super::*;
use crate::config::UPLOAD_OVERHEAD_BYTES;
use axum::body::Body;
use futures_util::{StreamExt, stream};
use headwater_proto::BodyPiece;
use headwater_types::{BodyBudget, Digest};
use std::convert::Infallible;

struct Collected {
    result: Result<u64, &'static str>,
    pieces: Vec<BodyPiece>,
    used_while_kept: u64,
}

/// Collects a body whose pieces arrive one poll apart.
async fn collect(pieces: Vec<Bytes>, declared: Option<u64>, max: u64) -> Collected {
    let budget = BodyBudget::new(1 << 30, |_| {});
    let upload = Upload::new(budget.admit_now(declared.unwrap_or(0) + UPLOAD_OVERHEAD_BYTES, 0).unwrap());
    let arriving = stream::iter(pieces).then(|piece| async {
        tokio::task::yield_now().await;
        Ok::<_, Infallible>(piece)
    });
    let mut body = RequestBody::new(Body::from_stream(arriving));
    let limits = BodyLimits { declared, max };
    let collector = Collector::new(upload.clone(), limits, BodyChecks::default());
    let result = collector.collect(None, &mut body, || Duration::ZERO).await;
    let used_while_kept = budget.used().saturating_sub(UPLOAD_OVERHEAD_BYTES);
    let pieces = upload.pieces().collect().await;
    drop(upload);
    assert_eq!(budget.used(), 0);
    Collected { result: result.map_err(|p| p.code.code()), pieces, used_while_kept }
}

#[tokio::test]
async fn what_goes_in_comes_out_with_its_digest() {
    for (size, piece, declared) in
        [(0, 1, true), (1, 1, false), (100_000, 777, true), (700_000, 300_000, false)]
    {
        let bytes: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
        let pieces = bytes.chunks(piece).map(Bytes::copy_from_slice).collect();
        let collected = collect(pieces, declared.then_some(size as u64), 1 << 20).await;
        assert_eq!(collected.result, Ok(size as u64));
        let mut out = Vec::new();
        let (last, chunks) = collected.pieces.split_last().unwrap();
        for chunk in chunks {
            let BodyPiece::Chunk(chunk) = chunk else { panic!("an end in the middle") };
            assert!(chunk.len() <= CHUNK_BYTES);
            out.extend_from_slice(chunk);
        }
        assert!(out == bytes);
        assert_eq!(*last, BodyPiece::End(BodyEnd { digest: Digest::of(&bytes), size: size as u64 }));
    }
}

#[tokio::test]
async fn a_body_whose_length_was_reserved_is_never_refused() {
    const ALL: u64 = 8 << 20;
    let size = 1_u64 << 20;
    for piece in [10_000, 65_536, 700_000] {
        let budget = BodyBudget::new(ALL, |_| {});
        let upload = Upload::new(budget.admit_now(size + UPLOAD_OVERHEAD_BYTES, 0).unwrap());
        // Others have used up the rest, and more.
        let others = budget.take(2 * ALL);
        let bytes = vec![7; size as usize];
        let pieces = bytes.chunks(piece).map(Bytes::copy_from_slice).collect::<Vec<_>>();
        let collected = collect_into(&upload, pieces, BodyLimits { declared: Some(size), max: size }).await;
        assert_eq!(collected, Ok(size), "in pieces of {piece}");
        drop((upload, others));
        assert_eq!(budget.used(), 0);
    }
}

/// Collects a body that is there at once.
async fn collect_into(
    upload: &Arc<Upload>,
    pieces: Vec<Bytes>,
    limits: BodyLimits,
) -> Result<u64, &'static str> {
    let mut body =
        RequestBody::new(Body::from_stream(stream::iter(pieces.into_iter().map(Ok::<_, Infallible>))));
    let collector = Collector::new(upload.clone(), limits, BodyChecks::default());
    collector.collect(None, &mut body, || Duration::ZERO).await.map_err(|p| p.code.code())
}

#[tokio::test]
async fn a_body_of_unknown_length_takes_what_has_arrived_before_it_is_copied_and_no_more() {
    let budget = BodyBudget::new(1 << 30, |_| {});
    let upload = Upload::new(budget.admit_now(UPLOAD_OVERHEAD_BYTES, 0).unwrap());
    let (pieces, arriving) = tokio::sync::mpsc::unbounded_channel::<Result<Bytes, Infallible>>();
    let arriving = tokio_stream::wrappers::UnboundedReceiverStream::new(arriving);
    let mut body = RequestBody::new(Body::from_stream(arriving));
    let limits = BodyLimits { declared: None, max: 1 << 20 };
    let collector = Collector::new(upload.clone(), limits, BodyChecks::default());
    let mut collecting = Box::pin(collector.collect(None, &mut body, || Duration::ZERO));
    assert!(futures_util::poll!(&mut collecting).is_pending());
    assert_eq!(budget.used(), UPLOAD_OVERHEAD_BYTES, "nothing has arrived");
    let mut sent = 0;
    for size in [1_u64, 1000, 64 << 10, 300_000] {
        pieces.send(Ok(Bytes::from(vec![7; size as usize]))).unwrap();
        sent += size;
        assert!(futures_util::poll!(&mut collecting).is_pending());
        let held = budget.used() - UPLOAD_OVERHEAD_BYTES;
        // Beside the bytes a buffer that is being filled.
        let most = sent + CHUNK_BYTES as u64 + 16 * PIECE_BYTES;
        assert!((sent..=most).contains(&held), "{held} bytes are held for {sent}");
    }
    drop(pieces);
    assert!(futures_util::poll!(&mut collecting).is_ready());
    drop(collecting);
    let held = budget.used() - UPLOAD_OVERHEAD_BYTES;
    assert!((sent..=sent + sent / 7 + 16 * PIECE_BYTES).contains(&held), "{held} bytes are kept for {sent}");
    drop(upload);
    assert_eq!(budget.used(), 0);
}

#[tokio::test]
async fn a_body_that_an_older_one_needs_room_for_is_given_up_though_it_stands_still() {
    let budget = BodyBudget::new(4 << 20, |_| {});
    let mut older = budget.admit_now(0, 0).unwrap();
    let upload = Upload::new(budget.admit_now(UPLOAD_OVERHEAD_BYTES, 0).unwrap());
    let first = stream::iter([Ok::<_, Infallible>(Bytes::from(vec![7; 1 << 20]))]);
    let mut body = RequestBody::new(Body::from_stream(first.chain(stream::pending())));
    let limits = BodyLimits { declared: None, max: 2 << 20 };
    let collector = Collector::new(upload.clone(), limits, BodyChecks::default());
    let mut collecting = Box::pin(collector.collect(None, &mut body, || Duration::ZERO));
    assert!(futures_util::poll!(&mut collecting).is_pending());
    let room = budget.capacity() - budget.used();
    older.cover(room).await.unwrap();
    assert!(futures_util::poll!(&mut collecting).is_pending(), "there is room for both");
    let mut growing = Box::pin(older.cover(room + 1));
    assert!(futures_util::poll!(&mut growing).is_pending());
    let refused = collecting.await.map_err(|p| p.code.code());
    assert_eq!(refused, Err("overloaded"));
    assert!(futures_util::poll!(&mut growing).is_pending(), "its bytes are still there");
    drop(upload);
    growing.await.unwrap();
    drop(older);
    assert_eq!(budget.used(), 0);
}

#[tokio::test]
async fn limits_at_and_one_past() {
    let body = |size: usize| vec![Bytes::from(vec![0; size])];
    assert_eq!(collect(body(10), None, 10).await.result, Ok(10));
    let past = collect(body(11), None, 10).await;
    assert_eq!(past.result, Err("too_large"));
    assert!(past.pieces.is_empty(), "no end, so nothing can be stored");
    assert_eq!(collect(body(9), Some(10), 10).await.result, Err("body_incomplete"));
}

#[tokio::test]
async fn pieces_keep_no_more_memory_than_they_show() {
    for (pieces, size) in [(1, 300), (3, 100), (2, 10_000), (40, 12_345), (2, 300_000), (1000, 16)] {
        let body = vec![Bytes::from(vec![7; size]); pieces];
        let collected = collect(body, None, 1 << 20).await;
        let chunks = collected.pieces.into_iter().filter_map(|piece| match piece {
            BodyPiece::Chunk(chunk) => Some(chunk),
            BodyPiece::End(_) => None,
        });
        // As a node keeps it. Parts of one buffer follow one another in memory: the last of them shows how much it has.
        let kept = headwater_types::Chunks::compact(chunks.collect());
        let mut kept: Vec<Bytes> = kept.as_slice().to_vec();
        let mut held = 0;
        while let Some(piece) = kept.pop() {
            held += match piece.try_into_mut() {
                Ok(whole) => whole.capacity(),
                Err(shared) => shared.len(),
            };
        }
        let size = pieces * size;
        assert!(held >= size && held <= size + size / 7, "{held} bytes are held for {size}");
    }
}

#[tokio::test]
async fn a_body_that_trickles_in_takes_bounded_memory() {
    let count = 3 * PROMPT_PIECES_MAX;
    let collected = collect(vec![Bytes::from_static(b"x"); count], None, 1 << 20).await;
    assert_eq!(collected.result, Ok(count as u64));
    assert!(collected.pieces.len() <= PROMPT_PIECES_MAX + 2, "{} pieces", collected.pieces.len());
    let bound = 2 * count as u64 + FIRST_CHUNK_BYTES as u64 + collected.pieces.len() as u64 * PIECE_BYTES;
    assert!(collected.used_while_kept <= bound, "{}", collected.used_while_kept);
}
