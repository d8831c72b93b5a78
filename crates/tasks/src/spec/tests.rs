//! What threads may do with a task.

use super::*;

#[test]
fn a_task_is_shared_by_threads_and_its_network_is_given_to_one() {
    fn is_shared<T: Send + Sync>() {}
    fn is_given<T: Send>() {}
    is_shared::<TaskSpec>();
    is_given::<Network>();
    is_given::<Model>();
}
