"""The precision of designs in simulated studies; a small version of `scripts/calibrate_designs`."""

import numpy as np
import pytest

pytestmark = pytest.mark.slow  # many simulated studies

N_PROMPTS, N_STUDIES = 2_600, 25


@pytest.fixture(scope="module")
def calibrate(load_script):
    """The script `calibrate_designs`."""
    return load_script("calibrate_designs")


@pytest.mark.parametrize("place", range(7))
def test_each_design_asks_as_many_prompts_as_are_wanted(calibrate, place):
    design = calibrate.DESIGNS[place]
    prompts = calibrate.draw(design, None, N_PROMPTS, np.random.default_rng(0))
    assert abs(prompts.n_asked - N_PROMPTS) <= design.n_a_row
    # Only independent draws repeat prompts.
    asked = set(zip(prompts.text.tolist(), prompts.person.tolist(), prompts.template.tolist(), strict=True))
    assert len(asked) == len(prompts.text)
    assert (len(asked) < prompts.n_asked) is (design.design == "iid")
    if design.n_blocks:
        assert len(set(prompts.stratum.tolist())) == design.n_blocks * len(set(prompts.text.tolist()))


def test_blocks_lower_the_variance_of_the_mean_of_models_and_the_test_holds_its_level(calibrate):
    base, anchored = (
        calibrate.measure(calibrate.DESIGNS[place], 0.3, (1.0, 0.7), None, N_PROMPTS, N_STUDIES, 0) for place in (0, 3)
    )
    log, error = calibrate.efficiency(anchored, base, ("mean of eight", "neutral"))
    # Without a gain it would be 0, within three errors of about .15.
    assert log > 3 * error
    # 120 tests of a study: .03 to .06, within three errors of about .006.
    assert 0.01 <= np.mean(anchored.rejected) <= 0.08


def test_a_design_compared_with_itself_has_an_efficiency_of_one(calibrate):
    cell = calibrate.measure(calibrate.DESIGNS[4], 0.3, (0.0, 0.0), None, 700, 2, 0)
    assert calibrate.efficiency(cell, cell, ("one model", "others")) == (0, 0)
    assert calibrate.shown(np.log(1.4), 0.01, wanted=1.5) == "1.40 (0.01)!"
    assert calibrate.shown(np.log(1.4), 0.05, wanted=1.5) == "1.40 (0.07)"


def test_the_tables_replace_those_of_a_page(calibrate, tmp_path):
    page = tmp_path / "page.md"
    mark = "<!-- designs: scripts/calibrate_designs -->"
    page.write_text(f"Before.\n\n{mark}\nold\n<!-- end of designs -->\n\nAfter.\n", encoding="utf-8")
    calibrate.write(page, ["| new |"])
    written = page.read_text(encoding="utf-8")
    assert written == f"Before.\n\n{mark}\n\n| new |\n\n<!-- end of designs -->\n\nAfter.\n"
