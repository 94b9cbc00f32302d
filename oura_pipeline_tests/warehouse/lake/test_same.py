"""What is true of a DuckDB file is true of a lake: the same tests, of each subject a few."""

from __future__ import annotations

from oura_pipeline_tests.testing.matrix import MATRIX
from oura_pipeline_tests.warehouse import (
    test_landing,
    test_odd_values,
    test_quarantine,
    test_reading,
    test_redating,
)

ALWAYS = (
    test_landing.test_landing_twice_leaves_one_copy_with_the_time_it_was_first_said,
    test_landing.test_a_night_that_moves_out_of_the_asked_days_is_not_lost,
    test_landing.test_a_discarded_answer_changes_nothing,
    test_quarantine.test_seen_again_it_is_one_and_says_since_when,
)
# They take a minute.
BY_MATRIX = (
    test_landing.test_every_asked_day_of_everybody_is_counted_also_empty_ones,
    test_landing.test_a_different_document_takes_the_place_and_the_time_of_the_old,
    test_landing.test_an_unchanged_state_moves_to_the_day_of_the_newest_fetch,
    test_odd_values.test_it_is_forgotten_when_the_day_comes_without_it,
    test_reading.test_the_days_of_a_document_are_found_by_its_id,
    test_reading.test_a_digest_changes_with_a_document_and_its_part,
    test_redating.test_rows_beside_the_days_asked_for_come_in_when_they_belong,
    test_redating.test_what_was_redated_is_told_until_it_is_recorded,
)
globals().update({test.__name__: test for test in ALWAYS + BY_MATRIX * MATRIX})
