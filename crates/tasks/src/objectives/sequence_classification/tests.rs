//! What each class weighs in the loss.

use engraft_data::ClassWeight;

use super::*;

/// Three named classes, of which a row has one, weighed by what is counted of them if the task says so.
fn three_classes(is_weighted: bool) -> OneClass {
    let names = ["a", "b", "c"].map(str::to_owned).to_vec();
    one_class(LabelSpace::new(3, Some(names)), is_weighted)
}

fn one_class(space: LabelSpace, is_weighted: bool) -> OneClass {
    OneClass {
        classes: WeighedClasses::new(space, is_weighted, Vec::new()),
        applied: Activation::Softmax,
    }
}

/// What an objective's classes become on training rows.
fn counted_on(objective: OneClass, train: TrainingRows<'_>) -> Result<OneClass> {
    let found = classes_of(&objective.classes.space, train.examples)?;
    Ok(OneClass {
        classes: objective.classes.counted_on(train, &found, "row")?,
        ..objective
    })
}

fn rows() -> Examples {
    Examples::from_texts(["u", "v", "w", "x"])
        .labelled(["a", "a", "a", "b"])
        .unwrap()
}

#[test]
fn weights_are_counted_or_given_one_for_each_class() {
    let rows = rows();
    let train = TrainingRows::new(&rows);
    let counted = [4.0 / 9.0, 4.0 / 3.0, 0.0];
    let weights = |counted: OneClass| counted.classes.weights;
    assert_eq!(
        weights(counted_on(three_classes(true), train).unwrap()),
        counted
    );
    let of = |weight: &ClassWeight, is_weighted: bool| {
        let train = TrainingRows {
            class_weight: Some(weight),
            ..train
        };
        counted_on(three_classes(is_weighted), train)
            .map(weights)
            .map_err(|error| error.to_string())
    };
    for is_weighted in [true, false] {
        let numbers = |numbers: &[f64]| of(&ClassWeight::Numbers(numbers.to_vec()), is_weighted);
        assert_eq!(of(&ClassWeight::Auto, is_weighted).unwrap(), counted);
        assert_eq!(numbers(&[1.0, 0.0, 2.5]).unwrap(), [1.0, 0.0, 2.5]);
        assert_eq!(
            numbers(&[1.0, 2.0]).unwrap_err(),
            "data.class_weight: 2 numbers given for 3 classes (a, b, c); give one for each, in this order"
        );
    }
}

#[test]
fn classes_weigh_the_same_where_neither_task_nor_data_says_otherwise() {
    let rows = rows();
    let objective = three_classes(false);
    let train = TrainingRows::new(&rows);
    objective.check_weights(train).unwrap();
    let counted = counted_on(objective, train).unwrap();
    assert!(counted.classes.weights.is_empty());
}

#[test]
fn training_does_not_go_on_with_other_weights_than_it_began_with() {
    let rows = rows();
    let train = TrainingRows::new(&rows);
    let counted = counted_on(three_classes(true), train).unwrap();
    counted.check_weights(train).unwrap();
    let given = ClassWeight::Numbers(vec![1.0, 0.5, 2.0]);
    let train = TrainingRows {
        class_weight: Some(&given),
        ..train
    };
    let equal = three_classes(false);
    assert_eq!(
        equal.check_weights(train).unwrap_err().to_string(),
        "data.class_weight: the run was begun with classes that weigh the same, and cannot go on with 1, 0.5, 2; give the same class_weight and rows"
    );
    assert!(counted.check_weights(train).is_err());
}

#[test]
fn where_a_row_has_several_classes_none_is_weighed() {
    let rows = Examples::from_texts(["u"])
        .multi_labelled(["a", "b"], vec![vec![true, true]])
        .unwrap();
    let objective = AnyClasses {
        classes: LabelSpace::new(2, None),
    };
    TrainingRows::new(&rows).check(&objective).unwrap();
    let weight = ClassWeight::Auto;
    let train = TrainingRows {
        class_weight: Some(&weight),
        ..TrainingRows::new(&rows)
    };
    let error = train.check(&objective).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("data.class_weight: classes are weighed only where"),
        "{error}"
    );
}

#[test]
fn training_rows_name_classes_weigh_them_and_miss_some() {
    let rows = rows();
    let unnamed = one_class(LabelSpace::new(2, None), true);
    let informed = unnamed.informed_by(TrainingRows::new(&rows)).unwrap();
    let learned = informed.unwrap().learned();
    assert_eq!(learned.labels.unwrap(), ["a", "b"]);
    assert_eq!(learned.numbered, Some(false));
    assert_eq!(
        learned.class_weights.unwrap(),
        [2.0 / 3.0, 2.0].map(|it| f64::from(it as f32))
    );
    let informed = three_classes(true)
        .informed_by(TrainingRows::new(&rows))
        .unwrap();
    assert_eq!(
        informed.unwrap().notes(),
        ["no training row is of the class c, which the model cannot learn"]
    );
}
