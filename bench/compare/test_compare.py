"""Claims about the harness itself: python3 -B -m unittest discover -s bench/compare."""

import os
import sys
import tempfile
import unittest
import xml.dom.minidom

import charts
import record
import rows as table
import tools
from measure import measure
from workloads import ALL


def row(workload="small-s3-s3", tool="brigade", tuning="default", right=1, code=0, cpu=1.0, **more):
    base = dict.fromkeys(table.FIELDS, "") | {"requests": 5, "refused_writes": 0, "refused_reads": 0, "rss_mib": 10, "timed_out": 0}
    return base | {"workload": workload, "tool": tool, "tuning": tuning, "right": right, "code": code, "cpu_s": cpu, "wall_s": cpu} | more


class Rows(unittest.TestCase):
    def test_a_run_that_is_not_right_has_no_part_in_a_median(self):
        made = [row(cpu=1), row(cpu=3), row(cpu=0.1, right=0), row(cpu=0.1, code=1)]
        summary = table.summaries(made)["small-s3-s3"][("brigade", "default")]
        self.assertEqual((summary.median("cpu_s"), summary.failed, summary.spread("cpu_s")), (2, 2, (1, 3)))

    def test_rows_survive_being_written_down(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "rows.csv")
            table.write(path, [row(), table.cannot(ALL["small-s3-gcs"], "s5cmd", "best", "it cannot")])
            again = table.summaries(table.read(path))
        self.assertEqual(again["small-s3-s3"][("brigade", "default")].median("cpu_s"), 1)
        self.assertEqual(again["small-s3-gcs"][("s5cmd", "best")].cannot, "it cannot")

    def test_late_refusals_are_those_after_the_first_ten_seconds(self):
        history = {"accepted": [0, 0] + [100] * 10 + [90] * 5 + [7], "refused": [0, 0] + [50] * 10 + [10] * 5 + [0]}
        self.assertEqual(table.late(history), {"refused_late_share": 0.1, "accepted_per_s": 90})
        self.assertEqual(table.late({"accepted": [1] * 5, "refused": [0] * 5})["accepted_per_s"], "")


class Record(unittest.TestCase):
    def test_losses_failures_and_missed_goals_are_said(self):
        made = [row(cpu=2), row(tool="rclone", cpu=1), row(tool="s3sync", right=0, missing=3, different=1), row(tool="aws", timed_out=1, right=0)]
        facts = {"date": "d", "name": "n", "remarks": [], "machine": "m", "versions": {}, "revision": "r", "pairs": 1, "command": "c"}
        text = record.text(table.summaries(made), facts)
        for said in ["0.5x **loss**", "**faster**", "**missed**, 4.00 times the goal", "3 missing, 1 different", "not done after"]:
            self.assertIn(said, text)

    def test_charts_are_xml_and_show_what_cannot(self):
        values = [("brigade", 1.5, ""), ("a & <b>", None, "cannot: \"x\""), ("rclone, best", 150.0, "(1 failed)")]
        for chart in [charts.bars("t & u", "s", values), charts.lines("t", "u", [("10^4", 1.0), ("10^5", 2.0)])]:
            xml.dom.minidom.parseString(chart)
        self.assertIn("cannot: &quot;x&quot;", charts.bars("t", "s", values))


class Measure(unittest.TestCase):
    def test_children_are_counted_and_the_limit_ends_a_run(self):
        spin = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time\\nwhile time.process_time() < 0.3: pass'])"
        run = tools.Run([sys.executable, "-c", spin], tools.environment())
        cost = measure(run, 60, os.devnull)
        self.assertTrue(cost.code == 0 and cost.user_s + cost.system_s >= 0.3 and cost.rss_kib > 1_000 and not cost.timed_out, cost)
        cost = measure(tools.Run([sys.executable, "-c", "import time; time.sleep(60)"], tools.environment()), 0.2, os.devnull)
        self.assertTrue(cost.timed_out and cost.code < 0 and cost.wall_s < 30, cost)


class Tools(unittest.TestCase):
    def test_every_workload_has_a_command_or_a_reason(self):
        with tempfile.TemporaryDirectory() as scratch:
            for workload in ALL.values():
                ends = tools.Ends("http://a", "http://b", workload.target_kind, workload.one_endpoint, scratch)
                for kind in tools.KINDS.values():
                    for tuning in kind.tunings:
                        try:
                            self.assertEqual(kind("/x/tool").run(tuning, workload, ends).argv[0], "/x/tool")
                        except tools.Cannot as reason:
                            self.assertTrue(str(reason) and kind is not tools.Brigade)


if __name__ == "__main__":
    unittest.main()
