def pytest_report_teststatus(report, config):
    if report.when == "call" and "special" in report.nodeid:
        return "special", "!", "SPECIAL"
    if report.when == "call" and "unusual" in report.nodeid:
        return "passed", "u", ("UNUSUAL", {"purple": True})
    return None


def pytest_terminal_summary(terminalreporter):
    terminalreporter.section("a plugin speaks")
    terminalreporter.line("one line")
