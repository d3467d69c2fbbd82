use super::*;
use std::{collections::VecDeque, task::Waker};
use tokio::io::{AsyncRead, AsyncWrite};

/// What a peer has sent, each piece one read.
#[derive(Debug, Default)]
struct Fake(VecDeque<&'static str>);

impl AsyncRead for Fake {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(piece) = self.0.pop_front() else { return Poll::Pending };
        buf.put_slice(piece.as_bytes());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Fake {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl NetStream for Fake {
    fn has_input(&self) -> bool {
        self.0.iter().any(|piece| first_of_request(piece.as_bytes()).is_some())
    }
}

/// Connections in the order of acceptance.
fn accept<const N: usize>(unread: &Arc<Unread<Fake>>) -> [Accepted<Fake>; N] {
    std::array::from_fn(|n| unread.accepted(ConnectionId(n as u64), Fake::default()))
}

fn send(connection: &Accepted<Fake>, text: &'static str) {
    connection.stream.lock().0.push_back(text);
}

fn first(connection: &Accepted<Fake>) -> Option<Place> {
    let mut bytes = [0; 16];
    let polled =
        connection.poll_first(&mut Context::from_waker(Waker::noop()), &mut ReadBuf::new(&mut bytes));
    match polled {
        Poll::Ready(place) => place.unwrap(),
        Poll::Pending => None,
    }
}

#[test]
fn what_waits_on_a_connection_that_was_accepted_earlier_was_first() {
    let unread = Unread::new();
    let connections = accept::<4>(&unread);
    // The second sends last.
    for n in [0, 2, 3] {
        send(&connections[n], "PUT");
    }
    let last = first(&connections[3]).unwrap();
    assert_eq!(first(&connections[1]), None, "nothing was sent on it");
    send(&connections[1], "PUT");
    let [a, b, c] = [0, 1, 2].map(|n| first(&connections[n]).unwrap());
    assert!(a < c && c < last && last < b, "{a:?} {b:?} {c:?} {last:?}");
}

#[test]
fn a_connection_that_was_opened_ahead_of_use_has_no_place_until_it_is_used() {
    let unread = Unread::new();
    let [ahead, other] = accept(&unread);
    send(&other, "PUT");
    let answered = first(&other).unwrap();
    send(&ahead, "PUT");
    assert!(answered < first(&ahead).unwrap());
}

#[test]
fn empty_lines_before_a_request_have_no_place() {
    let unread = Unread::new();
    let [lines, both, put] = accept(&unread);
    send(&lines, "\r\n");
    send(&both, "\r\nPUT");
    send(&put, "\r\nPUT");
    let last = first(&put).unwrap();
    assert_eq!(first(&lines), None, "no request has begun");
    assert!(first(&both).unwrap() < last);
}

#[test]
fn only_requests_that_may_store_something_look_at_others() {
    let unread = Unread::new();
    let [put, get] = accept(&unread);
    send(&put, "PUT");
    send(&get, "GET");
    let of_get = first(&get).unwrap();
    assert!(of_get < first(&put).unwrap());
}

#[test]
fn so_many_connections_are_looked_at_and_not_one_more() {
    const ALL: usize = LOOKED_AT_MAX + 2;
    let unread = Unread::new();
    let connections = accept::<ALL>(&unread);
    connections.iter().for_each(|connection| send(connection, "POST"));
    let last = first(&connections[ALL - 1]).unwrap();
    assert!(first(&connections[1]).unwrap() < last, "at the limit");
    assert!(first(&connections[0]).unwrap() > last, "one past it");
}

#[test]
fn a_connection_that_is_read_or_gone_is_not_looked_at() {
    let unread = Unread::new();
    let [gone, read, other] = accept(&unread);
    send(&read, "GET");
    first(&read).unwrap();
    drop(gone);
    assert_eq!(unread.0.lock().keys().collect::<Vec<_>>(), [&ConnectionId(2)]);
    drop((read, other));
    assert!(unread.0.lock().is_empty());
}
