//! Rows without a dump around them: what `mysqldump --tab` writes to `TABLE.txt`.
//!
//! The columns are those of `TABLE.sql`. Rows of other tables are in files of their own, each of which is read for itself: what a foreign key
//! would have to do there cannot be done, so nothing that they may refer to is changed.

use super::super::cells::{How, Row};
use super::super::ddl;
use super::super::lex::Kind;
use super::super::rows::Target;
use super::super::schema::{Column, Schema};
use super::super::walk::Walk;
use super::{Run, given};
use crate::error::Result;
use crate::layer::Cx;
use crate::layer::coded::strip_suffix_fold;
use crate::layer::ruling::Sheet;

impl<'r> Run<'r> {
    /// As [`Run::new`], of rows alone; `head`: what they start with.
    pub fn of_rows<'s: 'r>(head: &[u8], cx: &Cx<'s>, sheet: Sheet<'r>) -> Result<Self> {
        let dialect = ddl::dialect(Kind::Mysql);
        let mut run = Self::new(b"-- MySQL dump", cx, sheet);
        (run.walk, run.line, run.apart) = (Walk::of_rows(dialect), How::Tab, true);
        let name = cx.hint_name();
        let stem = strip_suffix_fold(&name, b".txt").unwrap_or(&name);
        let schema = &run.schema;
        let known = given(cx).and_then(|given| given.table(stem, schema));
        let key = known.unwrap_or_else(|| schema.plain(stem));
        let mut columns: Vec<Column> = schema.table(&key).map(|table| table.columns.clone()).unwrap_or_default();
        // MariaDB writes computed columns, MySQL does not.
        if first_row(head).is_some_and(|row| row.cells.len() < columns.len()) {
            columns.retain(|column| !column.generated);
        }
        let name = String::from_utf8_lossy(Schema::named(&key)).into_owned();
        let rule = run.policy.rule(&run.trail, Some(&name));
        let known = !columns.is_empty();
        let target = Target { key, known_as: name.clone(), name, columns, rule, line: Some(How::Tab), dialect };
        if !run.sheet.leaves() {
            cx.memory().need(run.memory())?;
            run.binder.informed(&run.schema, cx.search.space);
        }
        run.binder.aim(&run.schema, &target);
        run.target = Some(target);
        if !known {
            let reason = format!("no schema for {}", run.shown(cx));
            run.refuse(reason)?;
        }
        Ok(run)
    }

    /// At the end of rows whose other tables are elsewhere: refuses what these would have to follow.
    pub(super) fn reach_out(&mut self) -> Result<()> {
        let Some(target) = self.target.as_ref().filter(|_| self.apart) else { return Ok(()) };
        let schema = &self.schema;
        let drops = !self.dropped.is_empty();
        let edits =
            |names: &[Vec<u8>]| names.is_empty() || self.edited.iter().any(|(_, column)| names.contains(&column.name));
        let changes = |names: &[Vec<u8>]| edits(names) && !self.edited.is_empty();
        let reaches = schema.keys.iter().any(|key| {
            let (from, to) = (schema.is_part(&target.key, &key.from), schema.is_part(&target.key, &key.to));
            // Those within the table are followed.
            from != to && (to && (drops || changes(&key.to_columns)) || from && changes(&key.columns))
        });
        if reaches {
            self.refuse("foreign keys: with rows in other files".to_owned())?;
        }
        Ok(())
    }
}

/// The first row, if `head` has all of it.
fn first_row(head: &[u8]) -> Option<Row> {
    let piece = Walk::of_rows(ddl::dialect(Kind::Mysql)).next(head, false).ok()??;
    head.get(..piece.len).map(|row| Row::of_line(row, &How::Tab))
}
