use super::*;
use proptest::prelude::*;
use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    task::Wake,
};

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Count {
    fn new() -> (Arc<Self>, Waker) {
        let count = Arc::new(Self::default());
        (count.clone(), Waker::from(count))
    }

    fn woken(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

fn budget(capacity: u64) -> Arc<BodyBudget> {
    BodyBudget::new(capacity, |_| {})
}

fn cover(share: &mut BodyShare, bytes: u64) -> Poll<Result<(), BudgetFull>> {
    share.poll_cover(bytes, &mut Context::from_waker(Waker::noop()))
}

fn is_refused(share: &BodyShare) -> bool {
    share.poll_refused(&mut Context::from_waker(Waker::noop())).is_ready()
}

fn poll(admission: &mut Admission, waker: &Waker) -> Poll<Result<BodyShare, BudgetFull>> {
    Pin::new(admission).poll(&mut Context::from_waker(waker))
}

const GROWN: Poll<Result<(), BudgetFull>> = Poll::Ready(Ok(()));
const REFUSED: Poll<Result<(), BudgetFull>> = Poll::Ready(Err(BudgetFull));

#[test]
fn bodies_are_let_in_up_to_the_capacity_and_not_one_byte_past_it() {
    let budget = budget(100);
    let first = budget.admit_now(60, 0).unwrap();
    assert!(budget.admit_now(41, 0).is_err());
    assert!(budget.admit_now(20, 21).is_err(), "what comes soon must fit too");
    let second = budget.admit_now(20, 20).unwrap();
    assert_eq!(budget.used(), 80, "what is only ahead is not taken");
    let third = budget.admit_now(20, 0).unwrap();
    assert!(budget.admit_now(1, 0).is_err());
    drop((first, second, third));
    assert_eq!(budget.used(), 0);
    let huge = budget.admit_now(1_000, 1_000).expect("nothing is too large where nothing else is in");
    assert_eq!(budget.used(), 1_000);
    drop(huge);
    assert_eq!(budget.used(), 0);
}

#[test]
fn a_body_grows_up_to_the_capacity_and_one_byte_more_refuses_it_if_no_newer_one_grew() {
    let budget = budget(100);
    let known = budget.admit_now(50, 0).unwrap();
    let mut body = budget.admit_now(10, 0).unwrap();
    let idle = budget.admit_now(10, 0).unwrap();
    assert_eq!(cover(&mut body, 40), GROWN);
    assert_eq!(budget.used(), 100);
    assert_eq!(cover(&mut body, 41), REFUSED);
    assert_eq!(budget.used(), 100, "what was refused is not taken");
    assert!(is_refused(&body) && !is_refused(&known) && !is_refused(&idle));
    drop(body);
    assert_eq!(budget.used(), 60);
}

#[test]
fn the_newest_that_grew_is_refused_first_and_an_older_one_waits_only_until_it_is_gone() {
    let budget = budget(100);
    let [mut first, mut second, mut third] = [(); 3].map(|()| budget.admit_now(10, 0).unwrap());
    let idle = budget.admit_now(10, 0).unwrap();
    for body in [&mut third, &mut second, &mut first] {
        assert_eq!(cover(body, 30), GROWN);
    }
    let (refused, waker) = Count::new();
    assert_eq!(third.poll_refused(&mut Context::from_waker(&waker)), Poll::Pending);
    let (freed, waker) = Count::new();
    assert_eq!(first.poll_cover(40, &mut Context::from_waker(&waker)), Poll::Pending);
    assert!(is_refused(&third) && !is_refused(&second) && !is_refused(&idle));
    assert_eq!((refused.woken(), freed.woken()), (1, 0));
    assert_eq!(cover(&mut third, 31), REFUSED);
    assert!(budget.admit_now(0, 0).is_err(), "what leaves makes room for those that are in");
    drop(third);
    assert_eq!(freed.woken(), 1);
    assert!(budget.admit_now(0, 0).is_err(), "what has left is for the one that waits");
    assert_eq!(first.poll_cover(40, &mut Context::from_waker(&waker)), GROWN);
    assert_eq!(budget.used(), 80);
    drop(budget.admit_now(20, 0).expect("it has grown"));

    assert_eq!(cover(&mut second, 50), GROWN);
    assert_eq!(cover(&mut second, 51), REFUSED, "the older one stays");
    assert!(!is_refused(&first));
    drop((first, second, idle));
    assert_eq!(budget.used(), 0);
}

/// A body of 50 of 100 bytes that waits for 10 more; the newest, of 20 bytes, is refused for it.
fn one_that_waits(waker: &Waker) -> (Arc<BodyBudget>, BodyShare, BodyShare, BodyShare) {
    let budget = budget(100);
    let [mut oldest, mut middle, mut newest] = [(); 3].map(|()| budget.admit_now(0, 0).unwrap());
    assert_eq!([cover(&mut oldest, 50), cover(&mut middle, 30), cover(&mut newest, 20)], [GROWN; 3]);
    assert_eq!(oldest.poll_cover(60, &mut Context::from_waker(waker)), Poll::Pending);
    assert!(is_refused(&newest) && !is_refused(&middle));
    (budget, oldest, middle, newest)
}

#[test]
fn what_was_freed_for_a_body_goes_to_nobody_before_it_has_grown() {
    let (freed, waker) = Count::new();
    let (budget, mut oldest, mut middle, newest) = one_that_waits(&waker);
    let [admitted, grown] = [(); 2].map(|()| Count::new());
    let mut waiting = budget.admit(5, 0);
    assert!(poll(&mut waiting, &admitted.1).is_pending());
    drop(newest);
    assert_eq!((freed.woken(), admitted.0.woken()), (1, 1));
    // All of them look before the one that waits does.
    assert!(poll(&mut waiting, &admitted.1).is_pending());
    assert!(budget.admit_now(0, 0).is_err());
    assert_eq!(middle.poll_cover(35, &mut Context::from_waker(&grown.1)), Poll::Pending);
    assert_eq!(middle.poll_refused(&mut Context::from_waker(&grown.1)), Poll::Pending);
    assert_eq!(cover(&mut oldest, 60), GROWN);
    assert_eq!((admitted.0.woken(), grown.0.woken()), (2, 1), "nobody is forgotten");
    assert!(poll(&mut waiting, &admitted.1).is_pending(), "it is not the first that waits");
    assert_eq!(cover(&mut middle, 35), GROWN);
    assert_eq!(admitted.0.woken(), 3);
    let Poll::Ready(Ok(entered)) = poll(&mut waiting, &admitted.1) else { panic!("there is room") };
    assert_eq!(budget.used(), 100);
    drop((oldest, middle, entered));
    assert_eq!(budget.used(), 0);
}

#[test]
fn a_wait_that_ends_otherwise_blocks_nobody() {
    let ends: [fn(&mut BodyShare); 4] = [
        |oldest| oldest.stop_waiting(),
        |oldest| oldest.settle(50),
        |oldest| assert_eq!(cover(oldest, 50), GROWN, "that much it has"),
        |oldest| {
            let mut growing = Box::pin(oldest.cover(81));
            assert_eq!(growing.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending);
        },
    ];
    for (n, end) in ends.into_iter().enumerate() {
        let (budget, mut oldest, middle, newest) = one_that_waits(Waker::noop());
        drop(newest);
        let (count, waker) = Count::new();
        let mut waiting = budget.admit(0, 0);
        assert!(poll(&mut waiting, &waker).is_pending());
        end(&mut oldest);
        assert!(count.woken() > 0, "{n}");
        drop(middle);
        assert!(poll(&mut waiting, &waker).is_ready(), "{n}");
        assert!(budget.lock().hungry.is_empty(), "{n}");
    }
    let (budget, oldest, _middle, newest) = one_that_waits(Waker::noop());
    drop((newest, oldest));
    drop(budget.admit_now(70, 0).unwrap());
}

#[test]
fn nobody_is_refused_for_a_body_that_cannot_have_enough() {
    let budget = budget(100);
    let known = budget.admit_now(60, 0).unwrap();
    let mut first = budget.admit_now(0, 0).unwrap();
    let mut second = budget.admit_now(0, 0).unwrap();
    assert_eq!((cover(&mut first, 10), cover(&mut second, 20)), (GROWN, GROWN));
    assert_eq!(cover(&mut first, 41), REFUSED);
    assert!(!is_refused(&second));
    drop(first);
    assert_eq!(cover(&mut second, 40), GROWN);
    drop((known, second));
    assert_eq!(budget.used(), 0);
}

#[test]
fn one_body_alone_may_be_larger_than_the_budget() {
    let budget = budget(100);
    let mut body = budget.admit_now(10, 0).unwrap();
    let mut other = budget.admit_now(10, 0).unwrap();
    assert_eq!((cover(&mut body, 20), cover(&mut other, 20)), (GROWN, GROWN));
    assert_eq!(cover(&mut other, 81), REFUSED);
    assert_eq!(cover(&mut body, 1_000), Poll::Pending, "it is alone once the other is gone");
    drop(other);
    assert_eq!(cover(&mut body, 1_000), GROWN);
    drop(body);
    assert_eq!(budget.used(), 0);
}

#[test]
fn a_whole_body_is_not_refused_any_more_and_gives_back_what_it_does_not_need() {
    let budget = budget(100);
    let mut first = budget.admit_now(0, 0).unwrap();
    let mut second = budget.admit_now(0, 0).unwrap();
    assert_eq!((cover(&mut first, 50), cover(&mut second, 50)), (GROWN, GROWN));
    let (freed, waker) = Count::new();
    assert_eq!(first.poll_cover(60, &mut Context::from_waker(&waker)), Poll::Pending);
    assert!(is_refused(&second));
    second.settle(45);
    assert!(!is_refused(&second), "it was whole by then");
    assert_eq!((freed.woken(), budget.used()), (1, 95));
    assert_eq!(cover(&mut first, 56), REFUSED);
    second.cover_anyway(70);
    assert_eq!(budget.used(), 120);
    drop((first, second));
    assert_eq!(budget.used(), 0);
}

#[test]
fn first_come_first_let_in_and_whoever_gives_up_blocks_nobody() {
    let budget = budget(100);
    let held = budget.admit_now(80, 0).unwrap();
    let counts = [(); 3].map(|()| Count::new());
    let [mut large, mut small, mut late] = [(90, 0), (10, 5), (10, 0)].map(|(b, a)| budget.admit(b, a));
    assert!(poll(&mut large, &counts[0].1).is_pending());
    assert!(poll(&mut small, &counts[1].1).is_pending(), "it would fit, but does not overtake");
    assert!(poll(&mut late, &counts[2].1).is_pending());
    assert!(budget.admit_now(1, 0).is_err());
    drop(large);
    assert_eq!(counts.each_ref().map(|(count, _)| count.woken()), [0, 1, 0]);
    let Poll::Ready(Ok(small)) = poll(&mut small, &counts[1].1) else { panic!("there is room") };
    assert_eq!(counts[2].0.woken(), 1, "the next looks, too");
    let Poll::Ready(Ok(late)) = poll(&mut late, &counts[2].1) else { panic!("there is room") };
    assert_eq!(budget.used(), 100);
    drop((held, small, late));
    assert_eq!(budget.used(), 0);
    assert!(budget.lock().waiting.is_empty());
}

#[test]
fn so_many_wait_and_one_more_is_refused_at_once() {
    let budget = budget(10);
    let held = budget.take(10);
    let mut waiting: Vec<Admission> = (0..BODIES_WAITING_MAX).map(|_| budget.admit(1, 0)).collect();
    for admission in &mut waiting {
        assert!(poll(admission, Waker::noop()).is_pending());
    }
    assert_eq!(poll(&mut budget.admit(1, 0), Waker::noop()).map(|end| end.is_err()), Poll::Ready(true));
    drop(held);
    for mut admission in waiting {
        assert_eq!(poll(&mut admission, Waker::noop()).map(|end| end.is_ok()), Poll::Ready(true));
    }
    assert_eq!(budget.used(), 0);
}

#[test]
fn of_bodies_that_come_at_once_only_those_that_fit_are_let_in_and_the_most_is_told() {
    const THREADS: usize = 8;
    let most = Arc::new(AtomicU64::new(0));
    let seen = most.clone();
    let budget = BodyBudget::new(100, move |used| _ = seen.fetch_max(used, Ordering::Relaxed));
    for _ in 0..200 {
        let (begin, end) = (std::sync::Barrier::new(THREADS), std::sync::Barrier::new(THREADS));
        let admitted = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    begin.wait();
                    let share = budget.admit_now(40, 0);
                    admitted.fetch_add(usize::from(share.is_ok()), Ordering::Relaxed);
                    end.wait();
                });
            }
        });
        assert_eq!((admitted.into_inner(), budget.used()), (2, 0));
    }
    assert_eq!(most.load(Ordering::Relaxed), 80);
}

const CAPACITY: u64 = 1_000;

#[derive(Debug, Clone)]
enum Step {
    Admit {
        bytes: u64,
        ahead: u64,
    },
    Grow {
        at: usize,
        more: u64,
    },
    Settle {
        at: usize,
        less: u64,
    },
    Leave {
        at: usize,
    },
    /// Every body that was refused is given up.
    Clean,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0_u64..400, 0_u64..200).prop_map(|(bytes, ahead)| Step::Admit { bytes, ahead }),
        6 => (any::<usize>(), 1_u64..300).prop_map(|(at, more)| Step::Grow { at, more }),
        1 => (any::<usize>(), 0_u64..100).prop_map(|(at, less)| Step::Settle { at, less }),
        2 => any::<usize>().prop_map(|at| Step::Leave { at }),
        2 => Just(Step::Clean),
    ]
}

/// Bodies in the order in which they were let in.
fn orders(shares: &[BodyShare], refused: bool) -> Vec<u64> {
    let of = |share: &&BodyShare| {
        let state = share.budget.lock();
        state.growing.get(&share.order).is_some_and(|own| own.is_refused == refused)
    };
    shares.iter().filter(of).map(|share| share.order).collect()
}

proptest! {
    #[test]
    fn used_bytes_never_pass_the_bound_and_return_to_nothing(steps in prop::collection::vec(step(), 0..200)) {
        let budget = budget(CAPACITY);
        let mut shares: Vec<BodyShare> = Vec::new();
        let mut whole = std::collections::BTreeSet::new();
        for step in steps {
            match step {
                Step::Admit { bytes, ahead } => {
                    let before = budget.used();
                    match budget.admit_now(bytes, ahead) {
                        Ok(share) => shares.push(share),
                        Err(BudgetFull) => prop_assert!(
                            before + bytes + ahead > CAPACITY
                                || !orders(&shares, true).is_empty()
                                || !budget.lock().hungry.is_empty()
                        ),
                    }
                }
                Step::Grow { at, more } if !shares.is_empty() => {
                    let at = at % shares.len();
                    if whole.contains(&shares[at].order) {
                        continue;
                    }
                    let refused_before = orders(&shares, true);
                    let (own, to) = (shares[at].order, shares[at].bytes() + more);
                    let older_waits = budget.lock().hungry.range(..own).next().is_some();
                    let grown = cover(&mut shares[at], to);
                    let refused: Vec<u64> =
                        orders(&shares, true).into_iter().filter(|other| !refused_before.contains(other)).collect();
                    match grown {
                        Poll::Ready(Ok(())) => prop_assert!(refused.is_empty() && !older_waits),
                        Poll::Ready(Err(BudgetFull)) => prop_assert!(refused.iter().all(|other| *other == own)),
                        Poll::Pending => {
                            let waits_for_some = older_waits || !orders(&shares, true).is_empty();
                            prop_assert!(waits_for_some, "it waits for nobody");
                            let stay = orders(&shares, false);
                            prop_assert!(refused.iter().all(|gone| stay.iter().all(|other| other < gone)));
                        }
                    }
                }
                Step::Settle { at, less } if !shares.is_empty() => {
                    let at = at % shares.len();
                    let bytes = shares[at].bytes().saturating_sub(less);
                    shares[at].settle(bytes);
                    whole.insert(shares[at].order);
                    prop_assert!(!is_refused(&shares[at]));
                }
                Step::Leave { at } if !shares.is_empty() => drop(shares.remove(at % shares.len())),
                Step::Clean => shares.retain(|share| !is_refused(share)),
                Step::Grow { .. } | Step::Settle { .. } | Step::Leave { .. } => {}
            }
            let all: u64 = shares.iter().map(BodyShare::bytes).sum();
            let leaving: u64 = shares.iter().filter(|share| is_refused(share)).map(BodyShare::bytes).sum();
            prop_assert_eq!((budget.used(), budget.lock().leaving), (all, leaving));
            let stay = orders(&shares, false);
            prop_assert!(budget.lock().hungry.iter().all(|waits| stay.contains(waits)));
            let alone = shares.iter().filter(|share| share.bytes() > 0).count() <= 1;
            prop_assert!(all <= CAPACITY || alone, "{} of {}", all, CAPACITY);
        }
        drop(shares);
        prop_assert_eq!(budget.used(), 0);
        let state = budget.lock();
        prop_assert!(state.growing.is_empty() && state.hungry.is_empty());
    }
}
