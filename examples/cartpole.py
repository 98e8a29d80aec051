"""A pole on a cart is kept upright by a network that learns from its own trials: an actor and a critic.

At each step the network sees four numbers and draws one of two actions from its probabilities; so every step is a
forward walk for a batch of one, where the overhead of an operation is the whole cost. After each trial the logarithms
of the probabilities of its actions are raised or lowered by how much better or worse it went than the critic, a second
network, had thought (R. Williams, 1992, with a baseline). A trial ends when the pole leans more than 12 degrees, the
cart leaves its track, or after 500 steps; the task counts as solved at a mean of 475 steps over 100 trials.

    python examples/cartpole.py [--quick] [--out FOLDER]
"""

import math
import time

import numpy as np
from _pictures import BLUE, GREEN, RED, Picture, options

import dezero_c.functions as F
from dezero_c import optimizers
from dezero_c.history import History
from dezero_c.models import MLP


class CartPole:
    """The equations of A. Barto, R. Sutton and C. Anderson (1983), without friction, with Euler steps of 0.02 s.

    A state is the cart's place (m) and speed, the pole's angle (rad) and its speed. Action 1 pushes right, 0 left.
    """

    gravity, cart, pole, half_length, force, dt = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02

    def reset(self):
        self.steps = 0
        self.state = np.random.uniform(-0.05, 0.05, 4)
        return self.state.astype(np.float32)

    def step(self, action):
        """The new state and whether the trial is over."""
        x, v, angle, spin = self.state.tolist()
        sin, cos, mass = math.sin(angle), math.cos(angle), self.cart + self.pole
        push = self.force if action == 1 else -self.force
        pull = (push + self.pole * self.half_length * spin ** 2 * sin) / mass
        turn = (self.gravity * sin - cos * pull) / (self.half_length * (4 / 3 - self.pole * cos ** 2 / mass))
        drive = pull - self.pole * self.half_length * turn * cos / mass
        dt = self.dt
        self.state = np.array([x + dt * v, v + dt * drive, angle + dt * spin, spin + dt * turn])
        self.steps += 1
        fallen = abs(self.state[0]) > 2.4 or abs(self.state[2]) > math.radians(12)
        return self.state.astype(np.float32), fallen, self.steps >= 500


def trial(env, actor, greedy=False):
    """One trial: its states, the logarithms of the probabilities of its actions, and whether the pole fell."""
    state, over, fallen = env.reset(), False, False
    states, log_probs = [state], []
    while not (over or fallen):
        p = F.softmax(actor(state[np.newaxis]))
        action = int(p.data[0].argmax()) if greedy else int(np.random.rand() >= p.data[0, 0])
        log_probs.append(F.log(p[0, action]))
        state, fallen, over = env.step(action)
        states.append(state)
    return np.stack(states), log_probs, fallen


def main(quick, out):
    np.random.seed(1)
    max_trials, gamma = (80 if quick else 1000), 0.99

    env = CartPole()
    actor, critic = MLP((64, 2), activation=F.tanh), MLP((64, 1), activation=F.tanh)
    actor_optimizer = optimizers.Adam(alpha=0.005).setup(actor)
    critic_optimizer = optimizers.Adam(alpha=0.01).setup(critic)

    history = History()
    n_steps, start = 0, time.perf_counter()
    while len(history) < max_trials:
        states, log_probs, fallen = trial(env, actor)
        n = len(log_probs)

        # The return from each step on: the sum of rewards of 1, later ones counting less.
        values = critic(states)
        to_come = 0.0 if fallen else float(values.data[-1, 0])
        returns = np.empty((n, 1), np.float32)
        for i in reversed(range(n)):
            to_come = returns[i, 0] = 1 + gamma * to_come

        critic_loss = F.mean_squared_error(values[:n], returns)
        critic.cleargrads()
        critic_loss.backward()
        critic_optimizer.update()

        advantage = (returns - values.data[:n])[:, 0]
        advantage /= advantage.std() + 1e-6
        loss = 0
        for log_prob, a in zip(log_probs, advantage.tolist(), strict=True):
            loss -= log_prob * a
        loss /= n
        actor.cleargrads()
        loss.backward()
        actor_optimizer.update()

        n_steps += n
        history.append(steps=n, mean=np.mean([*history["steps"], n][-100:]) if len(history) else n)
        if len(history) % 20 == 0:
            recent = np.mean(history["steps"][-20:])
            print(f"trial {len(history):4d}  mean of the last 20: {recent:5.1f} steps  of the last 100: "
                  f"{history['mean'][-1]:5.1f}  ({n_steps / (time.perf_counter() - start):,.0f} steps/s)")
        if len(history) >= 100 and history["mean"][-1] >= 475:
            break
    seconds = time.perf_counter() - start
    solved = "solved after" if history["mean"][-1] >= 475 else "not solved in"
    print(f"{solved} {len(history)} trials: {n_steps:,} steps in {seconds:.1f} s, {n_steps / seconds:,.0f} steps/s")
    trials = [trial(env, actor, greedy=True)[0] for _ in range(3 if quick else 20)]
    mean = np.mean([len(states) - 1 for states in trials])
    print(f"always taking the likelier action: {mean:.1f} steps, the mean of {len(trials)} trials")

    picture = Picture(height=3.4)
    panel = picture.panel("steps until the pole falls", 4.6, xlabel="trial")
    panel.dots(history["epoch"], history["steps"], "#9cc3e6", size=4, label="a trial")
    panel.line(history["epoch"], history["mean"], "mean of the last 100", BLUE, width=2.2)
    panel.line([1, len(history)], [475, 475], "solved", GREEN, width=1)
    leaning = picture.panel("the pole's angle (degrees)", 3.4, xlabel="step")
    first = trial(env, MLP((64, 2), activation=F.tanh))[0]
    leaning.line(range(len(trials[0])), np.degrees(trials[0][:, 2]), "after learning", BLUE)
    leaning.line(range(len(first)), np.degrees(first[:, 2]), "before", RED)
    picture.save(out, "cartpole")


if __name__ == "__main__":
    args = options(__doc__)
    main(args.quick, args.out)
