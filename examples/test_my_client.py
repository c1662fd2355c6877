from my_client import RECORDING, transcribe


def test_my_client(stt_sandbox):
    assert transcribe(RECORDING, stt_sandbox.url).startswith("Good morning, everybody.")
    assert [job["status"] for job in stt_sandbox.jobs()] == ["done"]
