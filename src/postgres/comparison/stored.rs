//! What the tables must hold, put aside for the next verification and taken up by it: every row as
//! it is packed, so that one that was verified is compared as exactly as one that is new.
//!
//! It goes in pieces. The first says what is in the others; each of these has rows of one table.

use super::blocks::EpochBlocks;
use super::expected::Expected;
use super::trust::Trust;
use super::wanted::{Key, Wanted};
use crate::table::packed::{join, unpack};
use dataflows::table::Table;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Deref;

/// Version of the form; raised whenever its meaning changes, that of packed rows and blocks
/// included.
const FORMAT: u32 = 1;

/// That of one which has rows on trust: a program that knows nothing of them must not take it up.
const ON_TRUST: u32 = 2;

/// Bytes of a piece, about.
const PIECE: usize = 4 << 20;

/// The first piece.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    format: u32,
    /// Columns that are configured, in their order.
    features: Vec<String>,
    /// Interactions that wait.
    pending: i64,
    /// The epochs that were recorded by then.
    blocks: EpochBlocks,
    /// What of each table is taken on trust.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    trust: BTreeMap<String, Trust>,
}

/// Gives what `expected` holds, and these epochs, piece by piece.
pub fn store(expected: &Expected, blocks: &EpochBlocks, mut give: impl FnMut(Vec<u8>)) {
    let on_trust = expected
        .tables()
        .iter()
        .filter_map(|table| Some((table.table().name.to_string(), table.trusted()?.clone())));
    let trust: BTreeMap<String, Trust> = on_trust.collect();
    let format = if trust.is_empty() { FORMAT } else { ON_TRUST };
    let head = Head {
        format,
        trust,
        features: expected.configured(),
        pending: expected.pending(),
        blocks: blocks.clone(),
    };
    give(serde_json::to_vec(&head).expect("texts, numbers and lists of them always are JSON"));
    for table in expected.tables() {
        let begin = || {
            let mut piece = Vec::new();
            push(&mut piece, table.table().name.as_bytes());
            piece
        };
        let mut piece = begin();
        let empty = piece.len();
        for ((first, second, rest), packed) in table.rows() {
            piece.extend(first.to_le_bytes());
            piece.extend(second.to_le_bytes());
            push(&mut piece, rest);
            push(&mut piece, packed);
            if piece.len() >= PIECE {
                give(std::mem::replace(&mut piece, begin()));
            }
        }
        if piece.len() > empty {
            give(piece);
        }
    }
}

/// Takes up pieces in the order in which they were given, into what holds nothing yet; gives the
/// epochs.
///
/// # Errors
/// Why they cannot be taken up: they are of other columns, of another version, or no such pieces.
pub fn restore<P: Deref<Target = [u8]>, E>(
    expected: &mut Expected,
    pieces: impl Iterator<Item = Result<P, E>>,
) -> Result<Result<EpochBlocks, String>, E> {
    let mut blocks = None;
    for piece in pieces {
        let piece = piece?;
        let taken = match blocks {
            None => take_head(expected, &piece).map(|found| blocks = Some(found)),
            Some(_) => {
                take_rows(expected, &piece).ok_or_else(|| "a row of it cannot be read".to_string())
            }
        };
        if let Err(why) = taken {
            return Ok(Err(why));
        }
    }
    Ok(blocks.ok_or_else(|| "it does not say what the tables held".to_string()))
}

/// Why the pieces of which this is the first cannot be taken up, as far as it tells.
pub fn refused(piece: &[u8]) -> Option<String> {
    read_head(piece).err()
}

/// Whether the pieces of which this is the first take anything on trust.
pub fn is_on_trust(piece: &[u8]) -> bool {
    read_head(piece).is_ok_and(|head| !head.trust.is_empty())
}

fn read_head(piece: &[u8]) -> Result<Head, String> {
    let head: Head =
        serde_json::from_slice(piece).map_err(|error| format!("it cannot be read: {error}"))?;
    match head.format {
        FORMAT | ON_TRUST => Ok(head),
        format => Err(format!(
            "it has form {format}, and this program reads forms {FORMAT} and {ON_TRUST}"
        )),
    }
}

fn take_head(expected: &mut Expected, piece: &[u8]) -> Result<EpochBlocks, String> {
    let mut head = read_head(piece)?;
    if head.features != expected.configured() {
        return Err("the table of features had other columns".to_string());
    }
    expected.set_pending(head.pending);
    for table in expected.tables_mut() {
        head.trust.remove(table.table().name).into_iter().for_each(|trust| table.trust(trust));
    }
    Ok(head.blocks)
}

fn take_rows(expected: &mut Expected, piece: &[u8]) -> Option<()> {
    let (name, mut rest) = pull(piece)?;
    let table: &mut Wanted =
        expected.tables_mut().iter_mut().find(|table| table.table().name.as_bytes() == name)?;
    while !rest.is_empty() {
        let (first, after) = rest.split_first_chunk::<8>()?;
        let (second, after) = after.split_first_chunk::<8>()?;
        let (of_key, after) = pull(after)?;
        let (packed, after) = pull(after)?;
        let packed = with_added(table.table(), packed);
        let key: Key = (i64::from_le_bytes(*first), i64::from_le_bytes(*second), of_key.into());
        table.put_packed(key, packed);
        rest = after;
    }
    Some(())
}

/// A row as it is packed with nothing in the columns that were added since: they are behind all
/// others.
fn with_added(table: &Table, packed: &[u8]) -> Box<[u8]> {
    if packed.is_empty() {
        return Box::default();
    }
    let there = unpack(packed).count();
    let added = table.columns.iter().skip(there).filter(|column| column.later);
    let nothing = join(added.map(|_| None));
    [packed, &nothing].concat().into()
}

/// Bytes behind their length.
fn push(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend((bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn pull(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::results::EpochResults;
    use crate::postgres::PostgresSettings;
    use crate::postgres::comparison::Findings;
    use crate::postgres::comparison::kept::Retained;
    use crate::postgres::tests::of_campaign;
    use dataflows::campaign::output::{ArmDay, Change, FeatureRow, FeatureRows};
    use std::convert::Infallible;

    fn settings(features: &[&str]) -> PostgresSettings {
        of_campaign(|wording| {
            wording.features = features.iter().map(|name| (*name).to_string()).collect();
        })
    }

    /// So many customers, and a day of an arm.
    fn expected(customers: i64) -> Expected {
        let mut expected = Expected::new(&settings(&["monetary"]), Retained::default());
        let row = |customer| FeatureRow {
            change: Change::Insert,
            customer,
            as_of: 7,
            last_purchase: None,
            signup: Some(3),
        };
        let rows: Vec<FeatureRow> = (0..customers).map(row).collect();
        let features = vec![FeatureRows {
            values: rows.iter().map(|row| row.customer as f64).collect(),
            rows,
        }];
        let arm_days = vec![ArmDay { day: 1, arm: 0, interactions: 2, responses: 1, reward: 5 }];
        expected.fold(&EpochResults { features, arm_days, ..EpochResults::new(1) }).expect("rows");
        expected
    }

    fn stored(expected: &Expected) -> Vec<Vec<u8>> {
        let mut pieces = Vec::new();
        store(expected, &EpochBlocks::default(), |piece| pieces.push(piece));
        pieces
    }

    fn restored(features: &[&str], pieces: &[Vec<u8>]) -> Result<Expected, String> {
        let mut expected = Expected::new(&settings(features), Retained::default());
        let pieces = pieces.iter().cloned().map(Ok::<_, Infallible>);
        restore(&mut expected, pieces).expect("infallible").map(|_| expected)
    }

    #[test]
    fn what_is_put_aside_is_taken_up_again() {
        let own = expected(120_000);
        let pieces = stored(&own);
        assert!(pieces.len() > 3, "more than one piece of one table");
        let again = restored(&["monetary"], &pieces).expect("it is taken up");
        assert_eq!(stored(&again), pieces);
        let findings: Result<Vec<Findings>, Infallible> = again.into_findings(None, |_, _| Ok(()));
        let missing: u64 =
            findings.expect("infallible").iter().map(|findings| findings.total).sum();
        assert_eq!(missing, 120_002, "the customers, the day and the epoch's metrics");
    }

    #[test]
    fn what_is_taken_on_trust_stays_so_and_is_of_a_form_of_its_own() {
        let mut own = Expected::new(&settings(&["monetary"]), Retained::default());
        own.trust(7, 3);
        let pieces = stored(&own);
        let again = restored(&["monetary"], &pieces).expect("it is taken up");
        assert_eq!((again.trusted_through(), again.pending()), (Some(7), 3));
        assert_eq!(stored(&again), pieces);
        assert!(String::from_utf8_lossy(&pieces[0]).contains("\"format\":2"));
        assert!(is_on_trust(&pieces[0]) && !is_on_trust(&stored(&expected(3))[0]));
        assert_eq!((refused(&pieces[0]), refused(b"{}").is_some()), (None, true));
        assert_eq!(
            restored(&["monetary"], &stored(&expected(3)))
                .expect("it is taken up")
                .trusted_through(),
            None
        );
    }

    #[test]
    fn what_is_of_another_form_is_not_taken_up() {
        let pieces = stored(&expected(3));
        let refused = |features: &[&str], pieces: &[Vec<u8>]| {
            restored(features, pieces).err().unwrap_or_default()
        };
        assert!(refused(&["recency"], &pieces).contains("other columns"));
        assert!(refused(&["monetary"], &[]).contains("does not say"));
        assert!(refused(&["monetary"], &pieces[1..]).contains("cannot be read"));
        let mut cut = pieces.clone();
        cut[1].pop();
        assert!(refused(&["monetary"], &cut).contains("cannot be read"));
        let mut other = pieces;
        other[0] = String::from_utf8_lossy(&other[0])
            .replacen("\"format\":1", "\"format\":9", 1)
            .into_bytes();
        assert!(refused(&["monetary"], &other).contains("form 9"));
    }
}
