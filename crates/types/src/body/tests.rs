use super::*;
use proptest::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

#[derive(Default)]
struct Count(AtomicUsize);
impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_reader_follows_to_the_clean_end() {
    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    let mut cx = Context::from_waker(&waker);
    let writer = BodyWriter::new();
    let mut reader = writer.reader();
    assert_eq!(reader.poll_piece(&mut cx), Poll::Pending);
    assert_eq!(reader.poll_piece(&mut cx), Poll::Pending);
    writer.push(Bytes::from_static(b"ab"));
    assert_eq!(count.0.load(Ordering::SeqCst), 1, "one waker, woken once");
    assert_eq!(reader.poll_piece(&mut cx), Poll::Ready(Some(Ok(Bytes::from_static(b"ab")))));
    writer.complete();
    writer.push(Bytes::from_static(b"late"));
    drop(writer);
    assert_eq!(reader.poll_piece(&mut cx), Poll::Ready(None));
}

#[test]
fn every_reader_is_woken_once_a_change_by_the_waker_that_it_had_last() {
    let counts: [Arc<Count>; 3] = Default::default();
    let wakers = counts.clone().map(Waker::from);
    let writer = BodyWriter::new();
    let mut first = writer.reader();
    assert_eq!(first.poll_piece(&mut Context::from_waker(&wakers[0])), Poll::Pending);
    let mut second = first.clone();
    assert_eq!(second.poll_piece(&mut Context::from_waker(&wakers[1])), Poll::Pending);
    assert_eq!(first.poll_piece(&mut Context::from_waker(&wakers[2])), Poll::Pending);
    let woken = || counts.each_ref().map(|count| count.0.load(Ordering::SeqCst));
    writer.push(Bytes::from_static(b"ab"));
    assert_eq!(woken(), [0, 1, 1]);
    let got = Poll::Ready(Some(Ok(Bytes::from_static(b"ab"))));
    assert_eq!(second.poll_piece(&mut Context::from_waker(&wakers[1])), got);
    assert_eq!(second.poll_piece(&mut Context::from_waker(&wakers[1])), Poll::Pending);
    writer.complete();
    assert_eq!(woken(), [0, 2, 1], "only who waits is woken");
}

#[test]
fn only_whole_pieces_are_passed_over() {
    let mut cx = Context::from_waker(Waker::noop());
    let writer = BodyWriter::new();
    ["ab", "cd", "ef"].into_iter().for_each(|piece| writer.push(Bytes::from_static(piece.as_bytes())));
    let mut reader = writer.reader();
    assert_eq!((reader.skip_up_to(1), reader.skip_up_to(3), reader.skip_up_to(2)), (0, 2, 2));
    assert_eq!(reader.poll_piece(&mut cx), Poll::Ready(Some(Ok(Bytes::from_static(b"ef")))));
    assert_eq!(reader.skip_up_to(9), 0);
}

#[test]
fn dropping_the_writer_cuts() {
    let mut cx = Context::from_waker(Waker::noop());
    let writer = BodyWriter::new();
    writer.push(Bytes::from_static(b"ab"));
    let mut reader = writer.reader();
    drop(writer);
    assert_eq!(reader.poll_piece(&mut cx), Poll::Ready(Some(Err(BodyCut))));
}

#[test]
fn what_was_cut_takes_no_memory_though_it_has_readers() {
    let (writer, piece) = (BodyWriter::new(), Bytes::from(vec![7; 1000]));
    writer.push(piece.clone());
    let reader = writer.reader();
    assert!(!piece.is_unique());
    writer.cut();
    assert!(piece.is_unique());
    drop(reader);
}

proptest! {
    #[test]
    fn compacting_and_slicing_keep_the_bytes(
        sizes in proptest::collection::vec(prop_oneof![0usize..2_000, 0usize..40_000], 0..200), a in 0.0..1.0f64, b in 0.0..1.0f64,
    ) {
        let mut n = 0u8;
        let pieces: Vec<Bytes> = sizes.iter().map(|s| { n = n.wrapping_add(1); vec![n; *s].into() }).collect();
        let whole: Vec<u8> = pieces.concat();
        let chunks = Chunks::compact(pieces);
        prop_assert_eq!(chunks.len(), whole.len() as u64);
        prop_assert!(chunks.as_slice().len() <= whole.len() / PIECE_BYTES_MIN + 2);
        prop_assert_eq!(&chunks.to_bytes()[..], &whole[..]);
        let at = |f: f64| (f * whole.len() as f64) as usize;
        let (from, to) = (at(a).min(at(b)), at(a).max(at(b)));
        let part = chunks.slice(from as u64..to as u64);
        prop_assert_eq!(&part.to_bytes()[..], &whole[from..to]);
    }
}
