"""An agent makes its own identity, registers itself, and proves who it is for one exact action."""

from registry.client import Agent

agent = Agent.create("alice", "http://127.0.0.1:8000")
receipt = agent.register()
proof = agent.present(action="payments.read", resource="invoice:42")
print(agent.did, "is log entry", receipt.index, "with score", agent.standing()["score"])
