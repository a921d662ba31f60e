"""A report in the making: lines and tables of Markdown."""


class Markdown:
    def __init__(self):
        self.lines = []

    def say(self, text=""):
        self.lines.append(text)

    def table(self, head, rows):
        self.say("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
        for row in rows:
            self.say("| " + " | ".join(row) + " |")
        self.say()
