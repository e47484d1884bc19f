"""Which outputs the settings ask for, and what is wrong with settings."""

import subprocess
import sys

import pytest

from service.observe.metrics import Metrics
from service.outputs import outputs
from service.outputs.outputs import outputs_of
from service.settings import Settings, StartError
from tests.service.process import ROOT


def made_of(**settings):
    return outputs_of(Settings(**settings), Metrics())


def test_there_are_none_unless_set(monkeypatch):
    monkeypatch.setattr(outputs, "import_module", lambda name: pytest.fail(f"{name} is imported for nothing"))
    assert not made_of()


def test_each_address_makes_an_output():
    pytest.importorskip("aiomqtt")
    both = made_of(webhook_url="https://example.org/captions?key=1", mqtt_url="mqtts://me@broker")
    assert both
    assert len(both._makers) == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"webhook_url": "example.org"}, "WEBHOOK_URL: must be an address that begins with http:// or https://"),
        ({"webhook_url": "ftp://hidden.example"}, "WEBHOOK_URL: must be an address that begins with http:// or https"),
        ({"webhook_url": "http://[::1"}, "WEBHOOK_URL: must be an address"),
        ({"webhook_url": "http://hidden.example:0"}, "WEBHOOK_URL: must be an address"),
        ({"webhook_url": "http://hidden.example/#part"}, "WEBHOOK_URL: must have no part after #"),
        (
            {"webhook_url": "http://hidden.example", "webhook_secret_file": "/none"},
            "WEBHOOK_SECRET_FILE: /none: No such",
        ),
        ({"mqtt_url": "http://broker"}, "MQTT_URL: must be an address that begins with mqtt:// or mqtts://"),
        ({"mqtt_url": "mqtt://me:hidden@broker"}, "MQTT_URL: must not have the password"),
        ({"mqtt_url": "mqtt://broker/topic"}, "MQTT_URL: must have nothing after the port"),
        ({"mqtt_url": "mqtt://broker", "mqtt_password_file": "/none"}, "MQTT_URL: must name the user"),
        ({"mqtt_url": "mqtt://me@broker", "mqtt_password_file": "/none"}, "MQTT_PASSWORD_FILE: /none: No such file"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(settings, message):
    with pytest.raises(StartError) as error:
        made_of(**settings)
    assert str(error.value).startswith(f"GLOSSCAST_{message}")
    assert "hidden" not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("setting", [{"webhook_url": "http://a.example"}, {"mqtt_url": "mqtt://broker"}])
def test_a_missing_package_is_named(setting, monkeypatch):
    def missing(name):
        raise ImportError("No module named 'it'")

    monkeypatch.setattr(outputs, "import_module", missing)
    with pytest.raises(StartError, match=r"it needs packages: pip install --group outputs \(No module named 'it'\)"):
        made_of(**setting)


def test_a_service_without_outputs_needs_no_packages():
    """The application is made with these packages out of reach."""
    program = "import sys; sys.modules |= {'aiomqtt': None, 'httpx': None}; import service.app"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


def test_a_password_is_the_first_line_of_its_file(tmp_path):
    pytest.importorskip("aiomqtt")
    file = tmp_path / "password"
    file.write_text("with space \n")
    made = made_of(mqtt_url="mqtts://me%40home@broker.example", mqtt_password_file=file)
    broker = made._makers[0].args[0]
    assert (broker.host, broker.port, broker.tls) == ("broker.example", 8883, True)
    assert (broker.user, broker.password) == ("me@home", "with space ")
