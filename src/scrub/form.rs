//! What an artifact is called that its store shows as the tar of something that is no tar.

use crate::manifest::Artifact;

/// Names it by its `form`, in place of the tar and of what that is the tar of.
pub(super) fn tell(form: Option<&'static str>, line: &mut Artifact) {
    let Some(form) = form else { return };
    let shown = |name: &&String| *name == "tar" || name.starts_with("pg_dump ");
    let first = line.layers.iter().take_while(shown).count().min(2);
    line.layers.splice(..first, [form.to_owned()]);
}
