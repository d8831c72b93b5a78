//! Linear layers of few rows against their twin.

use burn::backend::Flex;

use super::{back, close, flex, random, values, vector};
use crate::{Kernels, plain};

#[test]
fn linear_layers_of_any_number_of_rows_agree_with_their_twin() {
    // Sizes around the widths of vectors and the heights of tiles; the last is worth several threads.
    let sizes = [
        (1, 1),
        (3, 7),
        (12, 16),
        (13, 33),
        (49, 64),
        (100, 15),
        (300, 577),
    ];
    for rows in (0..=70).chain([127, 256, 257]) {
        for (outputs, inner) in sizes {
            if rows > 20 && rows % 9 > 1 && outputs > 100 {
                continue;
            }
            let x = random(1, rows, inner);
            let (w, b) = (random(2, outputs, inner), vector(3, outputs));
            let inputs = || (flex(x.clone()), flex(w.clone()));
            let ((x, w), (twin_x, twin_w)) = (inputs(), inputs());
            close::<2>(
                back(<Flex as Kernels>::linear(x, w)),
                back(plain::linear::<Flex>(twin_x, twin_w)),
                5e-5,
            );
            let ((x, w), (twin_x, twin_w)) = (inputs(), inputs());
            close::<2>(
                back(Flex::linear_bias(x, w, flex(b.clone()))),
                back(plain::linear_bias::<Flex>(twin_x, twin_w, flex(b.clone()))),
                5e-5,
            );
        }
    }
}

#[test]
fn a_linear_layer_of_nothing_is_its_bias() {
    let (x, w, b) = (random(1, 2, 0), random(2, 3, 0), vector(3, 3));
    assert_eq!(
        values(crate::linear(x, w, Some(b.clone()))),
        values(b).repeat(2)
    );
    let no_rows = crate::linear(random(1, 0, 4), random(2, 3, 4), None);
    assert_eq!(no_rows.dims(), [0, 3]);
    let no_outputs = crate::linear(random(1, 3, 4), random(2, 0, 4), None);
    assert_eq!(no_outputs.dims(), [3, 0]);
}

#[test]
fn a_linear_layer_does_not_depend_on_the_number_of_threads_or_on_other_rows() {
    let (w, b) = (random(2, 700, 577), vector(3, 700));
    for rows in [1, 2, 7, 8, 9, 33, 256] {
        let x = random(1, rows, 577);
        let results = [1, 2, 5].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            pool.build()
                .unwrap()
                .install(|| values(crate::linear(x.clone(), w.clone(), Some(b.clone()))))
        });
        assert_eq!(results[0], results[1], "{rows} rows");
        assert_eq!(results[0], results[2], "{rows} rows");
    }
    let x = random(1, 200, 577);
    let together = crate::linear(x.clone(), w.clone(), Some(b.clone()));
    for range in [0..8, 3..4, 9..11, 20..45] {
        let alone = crate::linear(x.clone().slice([range.clone()]), w.clone(), Some(b.clone()));
        close(together.clone().slice([range]), alone, 5e-5);
    }
}
