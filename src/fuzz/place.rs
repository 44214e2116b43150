//! What `s3://…` names: any bytes are a place, a usage error, or no place in a bucket.

use crate::store::s3::{Place, SCHEME};
use crate::store::{shown_of, uri};

/// A place is what was typed, and its URI leads back to it.
pub fn place(data: &[u8]) {
    one(data);
    one(&[SCHEME.as_bytes(), data].concat());
}

fn one(typed: &[u8]) {
    let Some(parsed) = Place::parse(typed) else {
        assert!(!typed.starts_with(SCHEME.as_bytes()), "a place in a bucket is taken for another");
        return;
    };
    let Ok(place) = parsed else { return };
    assert!(!place.bucket.is_empty() && !place.bucket.contains('/'), "a bucket's name");
    let shown = place.shown();
    let bare = place.key.is_empty() && !typed.ends_with(b"/");
    assert_eq!(shown.as_bytes(), if bare { [typed, b"/"].concat() } else { typed.to_vec() }, "what was typed");
    let uri = uri(shown.as_bytes());
    assert!(uri.is_ascii() && !uri.contains('?'), "a URI");
    let back = shown_of(&uri).and_then(|shown| Place::parse(&shown)).and_then(Result::ok);
    assert!(back == Some(place), "its URI leads elsewhere");
}
