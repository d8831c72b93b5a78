//! Attention to a cache, and writing to one, against their twins.

use std::ops::Range;
use std::sync::Arc;

use burn::backend::Flex;

use super::{back, close, flex, random, values};
use crate::{Buckets, CachedAttention, Kernels, ScoreBias, plain};

const DIM: usize = 5;

fn cached(ranges: Vec<Range<usize>>, heads: usize, key_value_heads: usize) -> CachedAttention {
    CachedAttention {
        ranges,
        heads,
        key_value_heads,
        scale: 0.4,
        soft_cap: None,
        bias: ScoreBias::None,
    }
}

#[test]
fn cached_attention_agrees_with_its_twin_for_all_kinds_of_ranges() {
    let ranges = vec![0..1, 3..40, 7..7, 40..41, 100..1000, 30..45];
    let slopes: Arc<[f32]> = [0.5, 0.25, 0.1, 0.01].into();
    let base = cached(ranges, 4, 4);
    let shared = CachedAttention {
        key_value_heads: 2,
        ..base.clone()
    };
    let capped = CachedAttention {
        key_value_heads: 1,
        soft_cap: Some(1.5),
        ..base.clone()
    };
    let alibi = CachedAttention {
        bias: ScoreBias::Alibi(slopes.clone()),
        ..shared.clone()
    };
    let everything = CachedAttention {
        soft_cap: Some(0.9),
        bias: ScoreBias::RoundedAlibi { slopes, scale: 0.4 },
        ..base.clone()
    };
    let [behind, both] = [false, true].map(|bidirectional| CachedAttention {
        bias: ScoreBias::Buckets(Buckets {
            count: 9,
            max_distance: 50,
            bidirectional,
        }),
        ..base.clone()
    });
    let one = CachedAttention {
        ranges: vec![2..900],
        ..shared.clone()
    };
    let many = CachedAttention {
        ranges: (0..30).map(|i| i * 30..i * 31 + 2).collect(),
        ..shared.clone()
    };
    let none = CachedAttention {
        ranges: vec![],
        ..shared.clone()
    };
    let table = random(4, 9, 4);
    let calls = [
        base, shared, capped, alibi, everything, behind, both, one, many, none,
    ];
    for call in calls {
        for dim in [DIM, 64] {
            let query = random(1, call.ranges.len(), call.heads * dim);
            let [keys, cache] = [2, 3].map(|seed| random(seed, 1000, call.key_value_heads * dim));
            let inputs = || [&query, &keys, &cache, &table].map(|tensor| flex(tensor.clone()));
            let [twin_query, twin_keys, twin_cache, twin_table] = inputs();
            let twin =
                plain::cached::attend::<Flex>(twin_query, twin_keys, twin_cache, twin_table, &call);
            let [query, keys, cache, table] = inputs();
            let ours = Flex::cached_attention(query, keys, cache, table, Arc::new(call.clone()));
            close::<2>(back(ours), back(twin), 2e-5);
        }
    }
}

#[test]
fn cached_attention_is_causal_attention_of_the_last_token() {
    let (keys, cache) = (random(2, 9, 2 * DIM), random(3, 9, 2 * DIM));
    let (queries, table) = (random(1, 9, 4 * DIM), random(4, 6, 4));
    let buckets = ScoreBias::Buckets(Buckets {
        count: 6,
        max_distance: 7,
        bidirectional: false,
    });
    for bias in [ScoreBias::None, buckets] {
        let whole = crate::Attention {
            key_value_heads: 2,
            mask: crate::Mask::Causal,
            bias: bias.clone(),
            ..crate::Attention::new(crate::Segments::from_lengths([9]), 4, 0.4)
        };
        let inputs = || (queries.clone(), keys.clone(), cache.clone());
        let ((query, key, value), table) = (inputs(), Some(table.clone()));
        let expected = crate::attention(query, key, value, table.clone(), whole);
        let call = CachedAttention {
            bias,
            ..cached((0..9).map(|last| 0..last + 1).collect(), 4, 2)
        };
        let (query, key, value) = inputs();
        let found = crate::cached_attention(query, key, value, table, call);
        close(found, expected, 1e-5);
    }
}

#[test]
fn rows_are_written_to_a_cache_in_place_unless_somebody_else_holds_it() {
    let new = random(2, 5, 3);
    let rows = vec![4, 5, 0, 7, 0];
    let cache = random(1, 8, 3);
    let before = values(cache.clone());
    let mut expected = before.clone();
    for (&row, value) in rows.iter().zip(values(new.clone()).chunks(3)) {
        expected[row * 3..][..3].copy_from_slice(value);
    }
    let twin = plain::cached::write_rows::<Flex>(flex(cache.clone()), &rows, flex(new.clone()));
    assert_eq!(values(back::<2>(twin)), expected);
    let held = cache.clone();
    assert_eq!(
        values(crate::write_rows(cache.clone(), rows.clone(), new.clone())),
        expected
    );
    assert_eq!(values(held), before);

    let place = |tensor: &burn_flex::FlexTensor| tensor.bytes().as_ptr();
    let alone = flex(random(1, 8, 3));
    let address = place(&alone);
    let written = Flex::write_rows(alone, rows.into(), flex(new));
    assert_eq!(place(&written), address);
    assert_eq!(values(back::<2>(written)), expected);
}
