//! SQL dumps: `pg_dump`, `mysqldump`, `mariadb-dump`, `SQLite`'s `.dump`. A row is a record.
//!
//! A [`Layer`] of its own, because a tuple of an `INSERT` does not own its comma. `walk` cuts the dump into pieces, `schema` reads
//! the DDL as it passes, `rows` judges the rows that a candidate touches in the decoded text of their values, `tuples` says
//! what stays between them, and `bind` follows foreign keys (`keys`, `facts`, `pairs`). Statements without rows are searched and kept. What a dump says of its tables may
//! come after their rows: then the stream is read again with what was learnt ([`Cx::settle`]), and a filter spools it, unless its
//! start shows rows without DDL. Memory: the window
//! (`--max-record` bounds one row, and one statement), the names of tables and columns, and what `pairs` keeps of keys.

pub mod bind;
mod cells;
pub mod ddl;
mod detect;
mod facts;
pub mod keys;
pub mod lex;
mod marks;
mod pairs;
mod quiet;
mod reading;
mod rows;
mod run;
mod same;
mod schema;
mod spelled;
#[cfg(test)]
mod tests;
mod tuples;
mod types;
mod values;
mod views;
pub mod walk;

use crate::error::Result;
use crate::input::Input;
use crate::layer::ruling::{self, Batch, Sheet};
use crate::layer::{Cx, Found, Layer, Outlet, Streamed};
use crate::limits::SNIFF;

pub use detect::{is_dump, is_marked, is_xml};

/// The layer's name.
pub const NAME: &str = "sql";
/// That of the rows of `mysqldump --tab`.
pub const TAB: &str = "sql-tab";

/// What makes every client fail that has read the start of a dump, wherever it ends: it ends the rows of a COPY, and is no statement. In a
/// string that was left open it is a part of that, and then the end of the input is the error.
pub const SPOIL: &[u8] = b"\n\\.\n;unwrite stopped here, and the dump is not whole;\n";

/// The layer.
pub static SQL: Sql = Sql;
/// The layer of rows alone: those that `mysqldump --tab` writes to `TABLE.txt`, whose columns stand in `TABLE.sql` ([`ddl`]).
pub static ROWS: Rows = Rows;

/// See [`SQL`].
pub struct Sql;
/// See [`ROWS`].
pub struct Rows;

impl Layer for Sql {
    fn name(&self) -> &'static str {
        NAME
    }

    fn stream(&'static self, input: &mut Input<'_>, cx: &mut Cx<'_>, out: &mut dyn Outlet) -> Result<Streamed> {
        // What changes may be told of behind it: then the pass fails. A gate ends at the first row that changes. Of rows alone nothing
        // is told, unless their tables were told besides.
        let once = cx.once || cx.search.gate.is_some();
        let head = input.window(SNIFF)?;
        let told = cx.search.detect.told().is_some();
        if once || !told && detect::is_data_only(head.get(..head.len().min(SNIFF)).unwrap_or_default()) {
            return ruling::stream(self, input, cx, out);
        }
        Ok(Streamed::Twice(NAME))
    }

    fn find(&'static self, input: &mut Input<'_>, cx: &mut Cx<'_>) -> Result<Found> {
        ruling::find(self, input, cx)
    }

    fn open<'b, 's: 'b>(
        &'static self,
        head: &[u8],
        _whole: bool,
        cx: &Cx<'s>,
        sheet: Sheet<'b>,
    ) -> Result<Option<Box<dyn Batch + 'b>>> {
        Ok(Some(Box::new(run::Run::new(head, cx, sheet))))
    }
}

impl Layer for Rows {
    fn name(&self) -> &'static str {
        TAB
    }

    fn find(&'static self, input: &mut Input<'_>, cx: &mut Cx<'_>) -> Result<Found> {
        ruling::find(self, input, cx)
    }

    fn open<'b, 's: 'b>(
        &'static self,
        head: &[u8],
        _whole: bool,
        cx: &Cx<'s>,
        sheet: Sheet<'b>,
    ) -> Result<Option<Box<dyn Batch + 'b>>> {
        Ok(Some(Box::new(run::Run::of_rows(head, cx, sheet)?)))
    }
}
