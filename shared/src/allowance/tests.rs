use super::*;
use crate::config::{Redis, Secret};
use jiff::SignedDuration;

const LEASE: Duration = Duration::from_secs(65);

/// Both implementations; each test has accounts of its own, so that they may share a Redis.
fn both() -> [Allowance; 2] {
    [Allowance::open(&settings(""), LEASE).unwrap(), in_redis()]
}

fn in_redis() -> Allowance {
    let url = std::env::var("TXID_TEST_REDIS_URL");
    let url = url.unwrap_or_else(|_| "redis://127.0.0.1:6379/0".to_owned());
    Allowance::open(&settings(&url), LEASE).unwrap()
}

fn settings(url: &str) -> Redis {
    Redis { url: Secret::new(url), prefix: "test-allowance:".to_owned(), ..Redis::default() }
}

fn noon() -> Timestamp {
    "2026-03-01T12:00:10Z".parse().unwrap()
}

fn limit(per: Per, calls: u32) -> Limit {
    Limit { scope: Scope::Account, per, calls }
}

fn terms(concurrent: Option<u32>, limits: Vec<Limit>) -> Terms {
    Terms { account: AccountId::generate(), concurrent, limits }
}

fn used(standings: &[Standing]) -> Vec<u32> {
    standings.iter().map(|standing| standing.used).collect()
}

#[tokio::test]
async fn a_window_admits_its_calls_and_the_next_one_begins_anew() {
    for allowance in both() {
        let terms = terms(None, vec![limit(Per::Minute, 2), limit(Per::Day, 3)]);
        let at = |seconds| noon() + SignedDuration::from_secs(seconds);
        for expected in [vec![1, 1], vec![2, 2]] {
            let taken = allowance.take(&terms, at(0)).await.unwrap();
            assert_eq!((taken.decision, used(&taken.standings)), (Decision::Admitted(None), expected));
        }
        // Refused, and not counted in the day either.
        let refused = allowance.take(&terms, at(49)).await.unwrap();
        assert_eq!((&refused.decision, used(&refused.standings)), (&Decision::Refused(Some(0)), vec![2, 2]));
        assert_eq!(refused.standings[0].resets_at, "2026-03-01T12:01:00Z".parse().unwrap());
        assert_eq!(refused.standings[1].resets_at, "2026-03-02T00:00:00Z".parse().unwrap());
        let fresh = allowance.take(&terms, at(50)).await.unwrap();
        assert_eq!((fresh.decision, used(&fresh.standings)), (Decision::Admitted(None), vec![1, 3]));
        let day = allowance.take(&terms, at(50)).await.unwrap();
        assert_eq!((day.decision, day.standings[1].remaining()), (Decision::Refused(Some(1)), 0));
    }
}

#[tokio::test]
async fn what_is_limited_apart_is_counted_apart() {
    for allowance in both() {
        let mut one = terms(None, vec![limit(Per::Minute, 5)]);
        let endpoint = Scope::Endpoint("POST /v1/identity/verify".to_owned());
        let key = Scope::Key(KeyId::generate());
        one.limits.push(Limit { scope: endpoint, per: Per::Minute, calls: 5 });
        one.limits.push(Limit { scope: key, per: Per::Minute, calls: 2 });
        let mut other = one.clone();
        other.limits[2].scope = Scope::Key(KeyId::generate());
        allowance.take(&one, noon()).await.unwrap();
        let second = allowance.take(&other, noon()).await.unwrap();
        assert_eq!(used(&second.standings), [2, 2, 1]);
        let stranger = Terms { account: AccountId::generate(), ..one.clone() };
        assert_eq!(used(&allowance.take(&stranger, noon()).await.unwrap().standings), [1, 1, 1]);
        let look = allowance.look(&one, noon()).await.unwrap();
        assert_eq!(used(&look.standings), [2, 2, 1], "looking counts nothing");
    }
}

#[tokio::test]
async fn a_slot_is_free_again_when_it_is_given_back_or_its_lease_ends() {
    for allowance in both() {
        let terms = terms(Some(2), vec![limit(Per::Day, 10)]);
        let mut slots = Vec::new();
        for _ in 0..2 {
            match allowance.take(&terms, noon()).await.unwrap().decision {
                Decision::Admitted(Some(slot)) => slots.push(slot),
                other => panic!("{other:?}"),
            }
        }
        let third = allowance.take(&terms, noon()).await.unwrap();
        assert_eq!((third.decision, used(&third.standings)), (Decision::Refused(None), vec![2]));
        assert_eq!(allowance.look(&terms, noon()).await.unwrap().under_way, 2);
        allowance.give_back(&slots[0]).await.unwrap();
        let taken = allowance.take(&terms, noon()).await.unwrap().decision;
        assert!(matches!(taken, Decision::Admitted(Some(_))), "{taken:?}");
        assert_eq!(allowance.take(&terms, noon()).await.unwrap().decision, Decision::Refused(None));
        // The scheduler that held them is gone: nobody gives them back.
        let later = noon() + SignedDuration::try_from(LEASE).unwrap();
        assert_eq!(allowance.look(&terms, later).await.unwrap().under_way, 0);
        let taken = allowance.take(&terms, later).await.unwrap().decision;
        assert!(matches!(taken, Decision::Admitted(Some(_))), "{taken:?}");
    }
}

#[tokio::test]
async fn two_schedulers_together_admit_no_more_than_the_allowance() {
    let terms = terms(None, vec![limit(Per::Minute, 50)]);
    let (one, other) = (in_redis(), in_redis());
    let calls = (0..200).map(|number| {
        let (allowance, terms) = (if number % 2 == 0 { &one } else { &other }, &terms);
        async move { allowance.take(terms, noon()).await.unwrap().decision }
    });
    let decisions = futures_util::future::join_all(calls).await;
    assert_eq!(decisions.iter().filter(|decision| **decision == Decision::Admitted(None)).count(), 50);
}

#[tokio::test]
async fn without_redis_a_call_hears_so_within_a_moment() {
    // A port that was free a moment ago, so that nobody answers there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let allowance = Allowance::open(&settings(&format!("redis://127.0.0.1:{port}/0")), LEASE).unwrap();
    let terms = terms(Some(1), vec![limit(Per::Minute, 1)]);
    for _ in 0..3 {
        assert!(allowance.take(&terms, noon()).await.is_err());
    }
}
