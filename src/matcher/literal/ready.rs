//! What an engine makes of its values, to be kept: for a compiled registry.

use serde::{Deserialize, Serialize};

use super::super::column::{Bytes, Column};
use super::Literal;
use super::table::{Facts, Table};

/// Tables by shape, of fields, and of what is written apart.
pub const TABLES: usize = 9;
/// Columns: three a table, and the values without shape.
pub const COLUMNS: usize = 3 * TABLES + 1;

/// What stands beside the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notes {
    /// Of each table.
    pub tables: [Facts; TABLES],
    /// Longest match in any text, bytes.
    pub longest: u32,
    /// A value of an identifying field has the shape of an address.
    pub mail_names: bool,
}

/// An engine's tables and the ids of the values for its automaton, which is made anew whenever it is wanted.
#[derive(Clone, PartialEq)]
pub struct Ready {
    pub(super) tables: [Table; TABLES],
    /// Ids of the values without shape.
    pub(super) shapeless: Column<4>,
    pub(super) notes: Notes,
}

impl Ready {
    /// What `engine` has made. Its tables are copied.
    pub fn of(engine: &Literal) -> Self {
        let (inner, finder) = (&*engine.0, &engine.0.finder);
        let tables = [
            &finder.numbers,
            &finder.words,
            &finder.dotted,
            &finder.mails,
            &finder.uuids,
            &finder.ips,
            &finder.phones,
            &inner.fields,
            &inner.written,
        ];
        let mut shapeless = Column::default();
        finder.shapeless().for_each(|id| shapeless.add(id));
        let notes = Notes {
            tables: tables.map(|table| table.facts),
            longest: u32::try_from(finder.longest()).unwrap_or(u32::MAX),
            mail_names: finder.has_mail_names(),
        };
        Self { tables: tables.map(Table::clone), shapeless, notes }
    }

    /// The columns, in the order of a compiled registry.
    pub fn columns(&self) -> impl Iterator<Item = &Bytes> {
        let tables = self.tables.iter().flat_map(|table| [&table.slots.0, &table.gists.0, &table.bloom.0]);
        tables.chain([&self.shapeless.0])
    }

    /// What stands beside them.
    pub fn notes(&self) -> &Notes {
        &self.notes
    }

    /// Of columns as [`Self::columns`] gives them. `None` if there are not as many, or a table's are not as long as it says.
    pub fn of_columns(columns: impl IntoIterator<Item = Bytes>, notes: Notes) -> Option<Self> {
        let mut columns = columns.into_iter();
        let mut tables = [const { None }; TABLES];
        for (table, facts) in tables.iter_mut().zip(notes.tables) {
            let (slots, gists, bloom) = (columns.next()?, columns.next()?, columns.next()?);
            let made = Table { slots: Column(slots), gists: Column(gists), bloom: Column(bloom), facts };
            *table = Some(made.fits().then_some(made)?);
        }
        let tables = tables.map(Option::unwrap_or_default);
        let shapeless = columns.next().filter(|column| column.len() % 4 == 0).map(Column)?;
        columns.next().is_none().then_some(Self { tables, shapeless, notes })
    }
}
