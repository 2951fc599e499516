"""A guarded function runs only if the acting agent may call it with exactly these arguments, now."""

from registry.client import ActionDeniedError, Agent, Gateway, acting_as, guard

gateway = Gateway("http://127.0.0.1:8000")


@guard(action="payments.refund", gateway=gateway, resource="invoice:{number}")
def refund(number: str, cents: int) -> None:
    print("refunded", number, cents)


agent = Agent.create("carol", "http://127.0.0.1:8000")
agent.register()
try:
    with acting_as(agent):
        refund("42", cents=1_000)
except ActionDeniedError as denied:
    print("not refunded:", denied.decision.reason)
