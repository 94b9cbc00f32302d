"""One process of several: runs the example job over a range of days in the project's instance."""

import sys

from oura_pipeline.defs.storage import project_instance
from oura_pipeline_tests.defs.example_assets import example_job, range_tags


def main(first: str, last: str) -> int:
    """Run; 0 if the run succeeded."""
    with project_instance() as instance:
        result = example_job().execute_in_process(instance=instance, tags=range_tags(first, last))
        print(result.run_id)
    return 0 if result.success else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
