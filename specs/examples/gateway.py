"""A gateway asks before an action. The agent's proof came along with its call."""

from registry.client import Agent, Gateway

agent = Agent.create("bob", "http://127.0.0.1:8000")
agent.register()
proof = agent.present(action="payments.read", resource="invoice:42")

gateway = Gateway("http://127.0.0.1:8000")
decision = gateway.decide(agent=agent.did, action="payments.read", resource="invoice:42", presentation=proof)
print("allow" if decision else "deny", decision.reason, decision.score)
