//! Lists of files that hubs give and caches keep: what is not refused has only paths that stay in a folder, and is the same when it is kept.
//!
//! The first byte says which: Hugging Face's of a tree, the one that its tools keep, Kaggle's, and the one that is kept of that.

#![no_main]

use std::path::Path;

use engraft_hub::fetch::listing::Listing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((which, rest)) = input.split_first() else {
        return;
    };
    let json = serde_json::from_slice(rest).unwrap_or_default();
    let mut listing = Listing::default();
    let read = match which % 4 {
        0 => listing.add_tree(&json).map(|()| listing),
        1 => Listing::from_tree_file(rest).map(Option::unwrap_or_default),
        2 => listing.add_kaggle(&json).map(|_| listing),
        _ => Listing::from_kept(rest),
    };
    let Ok(listing) = read else {
        return;
    };
    for (path, _) in listing.iter() {
        let joined = Path::new("/folder").join(path);
        assert!(joined.starts_with("/folder") && joined != Path::new("/folder"));
        assert_eq!(joined.components().count(), 2 + path.split('/').count(), "{path:?}");
    }
    let kept = match which % 4 {
        0 | 1 => Listing::from_tree_file(&listing.to_tree_file()).map(Option::unwrap_or_default),
        _ => Listing::from_kept(&listing.to_keep()),
    };
    assert_eq!(kept.as_ref(), Ok(&listing));
});
