use ordo_actors::log::event::StreamId;
use uuid::Uuid;

use super::*;
use crate::fulfilment::call::CallKind;

fn reservation(order: u128, product: &str, quantity: u64) -> Call {
    let goods = vec![(ProductId::new(product).unwrap(), quantity)];
    Call::new(key(""), CallKind::Reserve, StreamId(Uuid::from_u128(order)), Terms::Goods(goods))
}

fn key(name: &str) -> CallKey {
    CallKey(name.into())
}

fn open(folder: &tempfile::TempDir, stock: Option<u64>) -> LedgerFile {
    LedgerFile::open(&folder.path().join("below/ledger.db"), PartnerRules { stock, trusts_refunds: false }).unwrap()
}

async fn reserve(ledger: &LedgerFile, name: &str, asked: &Call) -> CallVerdict {
    ledger.perform(Call { key: key(name), ..asked.clone() }, None, false).await.unwrap()
}

#[actix_web::test]
async fn stock_is_held_until_it_is_given_back_and_never_exceeded() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(&folder, Some(10));
    let asked = reservation(1, "tea", 7);
    assert!(matches!(reserve(&ledger, "first", &asked).await, CallVerdict::Done(_)));
    assert!(matches!(reserve(&ledger, "first", &asked).await, CallVerdict::Done(_)));
    assert!(matches!(reserve(&ledger, "second", &reservation(2, "tea", 4)).await, CallVerdict::Refused(_)));
    assert!(matches!(reserve(&ledger, "coffee", &reservation(2, "coffee", 10)).await, CallVerdict::Done(_)));
    let release = Call { key: key("undo"), kind: CallKind::Release, ..asked }.undoing(key("first"));
    for _ in 0..2 {
        assert!(matches!(ledger.perform(release.clone(), None, false).await.unwrap(), CallVerdict::Done(_)));
    }
    assert!(matches!(reserve(&ledger, "third", &reservation(3, "tea", 10)).await, CallVerdict::Done(_)));
    assert!(matches!(reserve(&ledger, "fourth", &reservation(4, "tea", 1)).await, CallVerdict::Refused(_)));
}

#[actix_web::test]
async fn what_a_ledger_holds_is_there_when_it_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let asked = reservation(1, "tea", 7);
    let first = reserve(&open(&folder, None), "first", &asked).await;
    let ledger = open(&folder, Some(8));
    assert_eq!(reserve(&ledger, "first", &asked).await, first);
    assert!(matches!(reserve(&ledger, "second", &reservation(2, "tea", 2)).await, CallVerdict::Refused(_)));
    let shown = ledger.of_order(asked.order_id).unwrap();
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].entry.call, Call { key: key("first"), ..asked });
}

#[actix_web::test]
async fn a_call_that_arrives_twice_at_once_is_done_once() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(&folder, Some(10));
    let call = Call { key: key("first"), ..reservation(1, "tea", 7) };
    assert!(matches!(ledger.perform(call, None, true).await.unwrap(), CallVerdict::Done(_)));
    assert_eq!(ledger.reconcile().unwrap().totals.reserved, 1);
}

#[test]
fn a_file_of_something_else_is_left_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE mine (a)").unwrap();
    let refused = LedgerFile::open(&path, PartnerRules::default()).unwrap_err();
    assert!(matches!(refused, LedgerError::Foreign(_)), "{refused}");
}
