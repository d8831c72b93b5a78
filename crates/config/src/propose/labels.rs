//! What is to be learned of the columns that are neither texts nor names of rows.

use engraft_data::{Cell, ColumnSurvey, Content, Survey};

use super::roles::{FEW, Goal, LABEL_NAMES, named, rank};

/// Labels of such names are measured, even where a table holds whole numbers.
const MEASURED_NAMES: &[&str] = &[
    "score",
    "fitness",
    "value",
    "affinity",
    "activity",
    "age",
    "expression",
];
/// What is to be learned of these columns.
pub(super) fn goal(survey: &Survey, texts: &[ColumnSurvey], candidates: &[&ColumnSurvey]) -> Goal {
    let token = candidates
        .iter()
        .filter_map(|column| tokens(survey, texts, column));
    let each = candidates
        .iter()
        .filter_map(|column| of_column(column, survey.rows));
    let mut goals: Vec<(Option<usize>, Goal)> = token.chain(each).collect();
    let by_name = goals
        .iter()
        .filter_map(|(rank, goal)| Some(((*rank)?, goal)))
        .min_by_key(|(rank, _)| *rank);
    if let Some((_, goal)) = by_name {
        return goal.clone();
    }
    // Several columns of 0 and 1, or of numbers, are one question with several answers.
    let flags = columns_of(candidates, |content| content == Content::Flags);
    if flags.len() > 1 {
        let count = flags.len();
        return Goal::Classes {
            columns: flags,
            count,
        };
    }
    let is_number = |goal: &Goal| matches!(goal, Goal::Numbers { .. });
    if goals.len() > 1 && goals.iter().all(|(_, goal)| is_number(goal)) {
        let numbers = columns_of(candidates, |content| {
            matches!(content, Content::Numbers | Content::Whole)
        });
        if numbers.len() == goals.len() {
            let count = numbers.len();
            return Goal::Numbers {
                columns: numbers,
                count,
            };
        }
    }
    if goals.is_empty() {
        Goal::Nothing
    } else {
        goals.swap_remove(0).1
    }
}

fn columns_of(candidates: &[&ColumnSurvey], wanted: impl Fn(Content) -> bool) -> Vec<String> {
    let columns = candidates.iter().filter(|column| wanted(column.content));
    columns.map(|column| column.name.clone()).collect()
}

/// The column as labels of letters or words, with the rank of its name.
fn tokens(
    survey: &Survey,
    texts: &[ColumnSurvey],
    column: &ColumnSurvey,
) -> Option<(Option<usize>, Goal)> {
    let [text] = texts else { return None };
    // Two sequences of one length, such as a wild type and its mutant, are no labels of each other: labels have few letters.
    let few = column.alphabet_size * 2 <= text.alphabet_size || column.alphabet_size <= 3;
    let is_labels = match column.content {
        Content::Lists | Content::NumberLists(_) | Content::FlagLists(_) => true,
        Content::Flags | Content::Numbers | Content::Nothing | Content::Mixed => false,
        _ => few || named(column, LABEL_NAMES),
    };
    let unit = survey.token_labels(&text.name, &column.name)?;
    is_labels.then(|| {
        let column_name = column.name.clone();
        (
            // Labels of letters say more than any name.
            Some(rank(column, LABEL_NAMES).unwrap_or(LABEL_NAMES.len())),
            Goal::Tokens {
                column: column_name,
                unit,
            },
        )
    })
}

/// What one column of labels asks for, with the rank of its name.
fn of_column(column: &ColumnSurvey, rows: usize) -> Option<(Option<usize>, Goal)> {
    let name = column.name.clone();
    let by_name = rank(column, LABEL_NAMES);
    let numbers = || Goal::Numbers {
        columns: vec![name.clone()],
        count: 1,
    };
    let distinct = column.distinct();
    let few = |most: usize| distinct.is_some_and(|distinct| (2..=most).contains(&distinct));
    let goal = match column.content {
        Content::Flags if few(2) => class(column),
        Content::Whole => {
            let many = if by_name.is_some() { rows / 10 } else { 0 };
            let measured = named(column, MEASURED_NAMES) && !few(FEW / 4);
            // Years are no classes, though there be few: classes are numbered from 0 or 1 with few gaps.
            let dense = highest(column) <= distinct.map(|distinct| 3 * distinct as u64 + 10);
            if few(FEW.max(many.min(1000))) && !measured && dense {
                class(column)
            } else {
                numbers()
            }
        }
        Content::Numbers => numbers(),
        Content::Words | Content::Sequences(_) | Content::Prose => {
            let most = if by_name.is_some() {
                rows / 2
            } else {
                rows / 5
            };
            if few(most.clamp(2, 1000)) {
                class(column)
            } else {
                return None;
            }
        }
        Content::FlagLists(length) if length > 1 => Goal::Classes {
            columns: vec![name],
            count: length,
        },
        Content::NumberLists(length) if length > 0 => Goal::Numbers {
            columns: vec![name],
            count: length,
        },
        _ => return None,
    };
    Some((by_name, goal))
}

/// The column as a class a row.
fn class(column: &ColumnSurvey) -> Goal {
    let mut values: Vec<(String, usize)> = column
        .values
        .iter()
        .flatten()
        .map(|(value, count)| (value.clone(), *count))
        .collect();
    values.sort_by(|(_, one), (_, other)| other.cmp(one));
    let counts_on = highest(column).is_none_or(|highest| highest + 1 == values.len() as u64);
    Goal::Class {
        column: column.name.clone(),
        counts_on,
        values,
    }
}

/// The highest of a column of whole numbers; none of other columns.
fn highest(column: &ColumnSurvey) -> Option<u64> {
    let values = column.values.as_ref()?;
    let numbers: Option<Vec<u64>> = values
        .keys()
        .map(|value| Cell::from(value.as_str()).whole())
        .collect();
    numbers?.into_iter().max()
}
