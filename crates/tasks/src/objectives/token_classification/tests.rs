//! What each class weighs in the loss.

use super::*;

#[test]
fn weights_are_counted_over_the_letters_that_are_scored() {
    let class = |class: u64| Some(Label::Index(class));
    let rows = Examples::from_texts(["ACGT", "AC"])
        .with_labels(Labels::Tokens {
            unit: TokenUnit::Letter,
            rows: vec![
                vec![class(0), class(0), None, class(1)],
                vec![class(0), None],
            ],
        })
        .unwrap();
    let objective = TokenClasses {
        classes: WeighedClasses::new(LabelSpace::new(3, None), true, Vec::new()),
        unit: Some(TokenUnit::Letter),
    };
    let counted = objective
        .counted_on(TrainingRows::new(&rows))
        .unwrap()
        .classes;
    assert_eq!(counted.weights, [4.0 / 9.0, 4.0 / 3.0, 0.0]);
    assert_eq!(
        counted.notes,
        ["no training letter is of the class 2, which the model cannot learn"]
    );
}
