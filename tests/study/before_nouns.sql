BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('v3.2.0.a');
CREATE TABLE msdemucs_later (
	id INTEGER NOT NULL, 
	study VARCHAR(512) NOT NULL, 
	begun VARCHAR(64) NOT NULL, 
	trial INTEGER NOT NULL, 
	kind VARCHAR(64) NOT NULL, 
	convention VARCHAR(64) NOT NULL, 
	value FLOAT NOT NULL, 
	seed INTEGER NOT NULL, 
	detail TEXT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "msdemucs_later" VALUES(1,'before-nouns','2026-11-28T08:18:02+00:00',-1,'noise','usdr_db/vocals',-2.64966753072607641428e+00,1,'{"spec_hash": "d820550ae40cd085", "spec": {"name": "htdemucs_n", "sources": ["drums", "bass", "other", "vocals"], "sample_rate": 44100, "audio_channels": 2, "segment": 0.5, "depth": 2, "channels": {"start": 4, "growth": 2.0, "round_to": 1}, "kernel_size": 8, "stride": 4, "padding": "same", "activation": "gelu", "rewrite": {"encoder": 1, "decoder": 3}, "waveform": {"kernel_size": null, "stride": null, "normalize": true, "resample": 1, "estimate": "add"}, "spectral": {"resolutions": [{"n_fft": 2048, "hop_length": 512, "framing": "half"}, {"n_fft": 4096, "hop_length": 1024, "framing": "half"}, {"n_fft": 8192, "hop_length": 2048, "framing": "half"}], "share": false, "frequency_embedding": {"weight": 0.3, "scale": 10.0, "smooth": true}}, "merge": null, "residual": {"encoder": true, "decoder": false, "depth": 2, "compress": 8.0, "init": 0.001, "lstm": null, "attention": null}, "norm": {"starts": 4, "groups": 4}, "attention": [], "lstm": null, "decoder_start": "bottleneck", "fusion": {"bottleneck": {"kind": "weighted", "smoothing": 0.9}, "output": {"kind": "convolution", "width": 129}}, "init": {"rescale": 0.1, "unused": 0}}, "recipe": {"name": "tiny", "steps": 6, "epochs": null, "steps_per_epoch": null, "batch_size": 1, "accumulate": 1, "segment": 0.5, "loss": [{"kind": "l1", "weight": 1.0}], "source_weights": null, "optimiser": {"kind": "adam", "betas": [0.9, 0.999], "eps": 1e-08}, "lr": 0.001, "final_lr": 0.0, "warmup_steps": null, "warmup_epochs": null, "schedule": {"kind": "cosine"}, "clip_norm": null, "stop_norm": 1000000.0, "ema": null, "precision": "fp32", "compile": false, "flip": false, "gain": null, "remix": false, "validation": null, "checkpoint_every": null}, "steps": 6, "weights": "/tmp/old/studies/before-nouns/noise/d820550a-1/weights.safetensors", "scores": {"columns": ["seed", "split", "group", "track", "source", "metric", "value"], "rows": [[1, "validation", "band", "Faded Harbour - Without Gravity", "drums", "usdr_db", -3.3757834365416333], [1, "validation", "band", "Faded Harbour - Without Gravity", "bass", "usdr_db", -1.059934474595521], [1, "validation", "band", "Faded Harbour - Without Gravity", "other", "usdr_db", -0.437751156711558], [1, "validation", "band", "Faded Harbour - Without Gravity", "vocals", "usdr_db", -1.002997175275394], [1, "validation", "band", "Paper Canyon - Under Gravity", "drums", "usdr_db", -2.0948986181970217], [1, "validation", "band", "Paper Canyon - Under Gravity", "bass", "usdr_db", -2.8681778245910676], [1, "validation", "band", "Paper Canyon - Under Gravity", "other", "usdr_db", -1.843753040507161], [1, "validation", "band", "Paper Canyon - Under Gravity", "vocals", "usdr_db", -4.296337886176759]]}, "split": "validation"}');
INSERT INTO "msdemucs_later" VALUES(2,'before-nouns','2026-11-28T08:18:02+00:00',1,'judge','usdr_db',-1.10165061391286767111e+00,0,'{"weights": "studies/before-nouns/trials/1/weights.safetensors", "convention": {"metrics": ["usdr_db"], "chunk": 1.0, "window": 1.0, "engine": "msdemucs", "segment": 0.0, "overlap": 0.25, "weighting": "triangle", "shifts": 1}, "normalised": false, "n_tracks": 1, "left_out": [], "scores": {"columns": ["seed", "split", "group", "track", "source", "metric", "value"], "rows": [[0, "test", "band", "Distant Canyon - Before the Winter", "drums", "usdr_db", -1.8070595026771905], [0, "test", "band", "Distant Canyon - Before the Winter", "bass", "usdr_db", -1.881585733000395], [0, "test", "band", "Distant Canyon - Before the Winter", "other", "usdr_db", -0.12459711102082016], [0, "test", "band", "Distant Canyon - Before the Winter", "vocals", "usdr_db", -0.5933601089530651]]}, "split": "test"}');
CREATE TABLE studies (
	study_id INTEGER NOT NULL, 
	study_name VARCHAR(512) NOT NULL, 
	PRIMARY KEY (study_id)
);
INSERT INTO "studies" VALUES(1,'before-nouns');
CREATE TABLE study_directions (
	study_direction_id INTEGER NOT NULL, 
	direction VARCHAR(8) NOT NULL, 
	study_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	PRIMARY KEY (study_direction_id), 
	UNIQUE (study_id, objective), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_directions" VALUES(1,'MAXIMIZE',1,0);
INSERT INTO "study_directions" VALUES(2,'MINIMIZE',1,1);
CREATE TABLE study_system_attributes (
	study_system_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_system_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_system_attributes" VALUES(1,1,'study:metric_names','["usdr_db/vocals", "macs_per_second"]');
CREATE TABLE study_user_attributes (
	study_user_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_user_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_user_attributes" VALUES(1,1,'title','"A study of the version before folders by noun"');
INSERT INTO "study_user_attributes" VALUES(2,1,'search_space','"name: before-nouns\ntitle: A study of the version before folders by noun\nbase: htdemucs_n\nbaselines: [htdemucs_n]\nset: {segment: 0.5, depth: 2, channels.start: 4, attention: []}\nvary:\n  channels.start: {choice: [4, 6]}\n  kernel_size.0: {choice: [4, 8]}\nobjectives: [usdr_db/vocals, macs_per_second]\nfidelity: {rungs: [3], survivors: 1}\nsampler: {kind: random, control: 0}\ntrials: 4\nrecipe: tiny.yaml\ndata: {train: band, test: band}\n"');
INSERT INTO "study_user_attributes" VALUES(3,1,'base','"htdemucs_n"');
INSERT INTO "study_user_attributes" VALUES(4,1,'setting','"full"');
INSERT INTO "study_user_attributes" VALUES(5,1,'started','"2026-11-28T08:18:02+00:00"');
INSERT INTO "study_user_attributes" VALUES(6,1,'recipe','{"name": "tiny", "steps": 6, "epochs": null, "steps_per_epoch": null, "batch_size": 1, "accumulate": 1, "segment": 0.5, "loss": [{"kind": "l1", "weight": 1.0}], "source_weights": null, "optimiser": {"kind": "adam", "betas": [0.9, 0.999], "eps": 1e-08}, "lr": 0.001, "final_lr": 0.0, "warmup_steps": null, "warmup_epochs": null, "schedule": {"kind": "cosine"}, "clip_norm": null, "stop_norm": 1000000.0, "ema": null, "precision": "fp32", "compile": false, "flip": false, "gain": null, "remix": false, "validation": null, "checkpoint_every": null}');
INSERT INTO "study_user_attributes" VALUES(7,1,'data','{"train": ["band: 3 tracks, 9.0 s"], "validation": ["band: 2 tracks, 6.0 s"], "validation_by": "drawn from the training tracks with seed 0", "hash": "0f6245374aa3f336"}');
INSERT INTO "study_user_attributes" VALUES(8,1,'tracks','{"train": {"band/Brass Tides - Over the Gravity": "3.0 s, content 58e4d848", "band/Copper Canyon - Waiting for Satellite": "3.0 s, content fd38ea6d", "band/Distant Harbour - Slow Embers": "3.0 s, content 00662fd6"}, "validation": {"band/Faded Harbour - Without Gravity": "3.0 s, content 05f48170", "band/Paper Canyon - Under Gravity": "3.0 s, content af699270"}}');
INSERT INTO "study_user_attributes" VALUES(9,1,'machine','{"cpu": "AMD EPYC", "cores": 2, "memory_bytes": 25276514304, "gpus": [], "python": "3.11.7", "platform": "Linux-6.18.44-fc-v595-x86_64-with-glibc2.36", "versions": {"msdemucs": "0.1.0", "torch": "2.11.0", "optuna": "5.0.0", "numpy": "2.4.6"}}');
INSERT INTO "study_user_attributes" VALUES(10,1,'command','"msdemucs study run space.yaml"');
INSERT INTO "study_user_attributes" VALUES(11,1,'asked','{"mode": "search", "vary": {"channels.start": {"choice": [4, 6], "int": null, "float": null, "step": null, "log": false, "subset": null, "least": null, "most": null, "when": {}}, "kernel_size.0": {"choice": [4, 8], "int": null, "float": null, "step": null, "log": false, "subset": null, "least": null, "most": null, "when": {}}}, "factors": {}, "design": {"kind": "one_at_a_time", "resolution": null, "generators": []}, "repeats": 1, "fidelity": {"rungs": [3], "eta": 3.0, "survivors": 1, "delta_db": null, "thinning": "epsilon_net"}, "objectives": {"usdr_db/vocals": "maximize", "macs_per_second": "minimize"}, "constraints": {}, "at_cost": null, "sampler": {"kind": "random", "options": {}, "seed": 0, "control": 0.0}, "seed": 0, "base": {"name": "htdemucs_n", "sources": ["drums", "bass", "other", "vocals"], "sample_rate": 44100, "audio_channels": 2, "segment": 0.5, "depth": 2, "channels": {"start": 4, "growth": 2.0, "round_to": 1}, "kernel_size": 8, "stride": 4, "padding": "same", "activation": "gelu", "rewrite": {"encoder": 1, "decoder": 3}, "waveform": {"kernel_size": null, "stride": null, "normalize": true, "resample": 1, "estimate": "add"}, "spectral": {"resolutions": [{"n_fft": 2048, "hop_length": 512, "framing": "half"}, {"n_fft": 4096, "hop_length": 1024, "framing": "half"}, {"n_fft": 8192, "hop_length": 2048, "framing": "half"}], "share": false, "frequency_embedding": {"weight": 0.3, "scale": 10.0, "smooth": true}}, "merge": null, "residual": {"encoder": true, "decoder": false, "depth": 2, "compress": 8.0, "init": 0.001, "lstm": null, "attention": null}, "norm": {"starts": 4, "groups": 4}, "attention": [], "lstm": null, "decoder_start": "bottleneck", "fusion": {"bottleneck": {"kind": "weighted", "smoothing": 0.9}, "output": {"kind": "convolution", "width": 129}}, "init": {"rescale": 0.1, "unused": 0}}, "baselines": {"htdemucs_n": {"name": "htdemucs_n", "sources": ["drums", "bass", "other", "vocals"], "sample_rate": 44100, "audio_channels": 2, "segment": 0.5, "depth": 2, "channels": {"start": 4, "growth": 2.0, "round_to": 1}, "kernel_size": 8, "stride": 4, "padding": "same", "activation": "gelu", "rewrite": {"encoder": 1, "decoder": 3}, "waveform": {"kernel_size": null, "stride": null, "normalize": true, "resample": 1, "estimate": "add"}, "spectral": {"resolutions": [{"n_fft": 2048, "hop_length": 512, "framing": "half"}, {"n_fft": 4096, "hop_length": 1024, "framing": "half"}, {"n_fft": 8192, "hop_length": 2048, "framing": "half"}], "share": false, "frequency_embedding": {"weight": 0.3, "scale": 10.0, "smooth": true}}, "merge": null, "residual": {"encoder": true, "decoder": false, "depth": 2, "compress": 8.0, "init": 0.001, "lstm": null, "attention": null}, "norm": {"starts": 4, "groups": 4}, "attention": [], "lstm": null, "decoder_start": "bottleneck", "fusion": {"bottleneck": {"kind": "weighted", "smoothing": 0.9}, "output": {"kind": "convolution", "width": 129}}, "init": {"rescale": 0.1, "unused": 0}}}, "setting": "full", "recipe": {"name": "tiny", "steps": 6, "epochs": null, "steps_per_epoch": null, "batch_size": 1, "accumulate": 1, "segment": 0.5, "loss": [{"kind": "l1", "weight": 1.0}], "source_weights": null, "optimiser": {"kind": "adam", "betas": [0.9, 0.999], "eps": 1e-08}, "lr": 0.001, "final_lr": 0.0, "warmup_steps": null, "warmup_epochs": null, "schedule": {"kind": "cosine"}, "clip_norm": null, "stop_norm": 1000000.0, "ema": null, "precision": "fp32", "compile": false, "flip": false, "gain": null, "remix": false, "validation": null, "checkpoint_every": null}, "data": {"train": ["band: 3 tracks, 9.0 s"], "validation": ["band: 2 tracks, 6.0 s"], "validation_by": "drawn from the training tracks with seed 0"}, "tracks": {"train": {"band/Brass Tides - Over the Gravity": "3.0 s, content 58e4d848", "band/Copper Canyon - Waiting for Satellite": "3.0 s, content fd38ea6d", "band/Distant Harbour - Slow Embers": "3.0 s, content 00662fd6"}, "validation": {"band/Faded Harbour - Without Gravity": "3.0 s, content 05f48170", "band/Paper Canyon - Under Gravity": "3.0 s, content af699270"}}}');
INSERT INTO "study_user_attributes" VALUES(12,1,'joining','{"path": "/tmp/old/space.yaml", "space": {"name": "before-nouns", "title": "A study of the version before folders by noun", "base": "htdemucs_n", "set": {"segment": 0.5, "depth": 2, "channels.start": 4, "attention": []}, "mode": "search", "vary": {"channels.start": {"choice": [4, 6], "int": null, "float": null, "step": null, "log": false, "subset": null, "least": null, "most": null, "when": {}}, "kernel_size.0": {"choice": [4, 8], "int": null, "float": null, "step": null, "log": false, "subset": null, "least": null, "most": null, "when": {}}}, "factors": {}, "design": {"kind": "one_at_a_time", "resolution": null, "generators": []}, "repeats": 1, "fidelity": {"rungs": [3], "eta": 3.0, "survivors": 1, "delta_db": null, "thinning": "epsilon_net"}, "baselines": {"htdemucs_n": {}}, "objectives": {"usdr_db/vocals": "maximize", "macs_per_second": "minimize"}, "constraints": {}, "at_cost": null, "trials": 4, "sampler": {"kind": "random", "options": {}, "seed": 0, "control": 0.0}, "seed": 0, "recipe": "tiny.yaml", "data": {"train": ["/tmp/old/band"], "validation": null, "test": ["/tmp/old/band"]}}, "folder": "/tmp/old/studies/before-nouns/trials", "directory": "/tmp/old"}');
INSERT INTO "study_user_attributes" VALUES(13,1,'wanted','4');
INSERT INTO "study_user_attributes" VALUES(14,1,'processes','1');
INSERT INTO "study_user_attributes" VALUES(15,1,'noise','{"quality": "usdr_db/vocals", "sigma_db": 1.3353021737951971, "low_db": 0.595743976461578, "high_db": 42.609705145730665, "n_seeds": 2, "spec": "htdemucs_n", "spec_hash": "d820550ae40cd085", "scores": {"0": -4.53806997477352, "1": -2.6496675307260764}}');
INSERT INTO "study_user_attributes" VALUES(16,1,'test look/5331f5c4-a642-4fa5-8d2b-90bf5fd556a0','{"when": "2026-11-28T08:21:00+00:00", "why": "judge"}');
INSERT INTO "study_user_attributes" VALUES(17,1,'test tracks','{"band/Distant Canyon - Before the Winter": "3.0 s, content 08ab5def"}');
CREATE TABLE trial_heartbeats (
	trial_heartbeat_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	heartbeat DATETIME NOT NULL, 
	PRIMARY KEY (trial_heartbeat_id), 
	UNIQUE (trial_id), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_intermediate_values (
	trial_intermediate_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	intermediate_value FLOAT, 
	intermediate_value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_intermediate_value_id), 
	UNIQUE (trial_id, step), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_params (
	param_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	param_name VARCHAR(512), 
	param_value FLOAT, 
	distribution_json TEXT, 
	PRIMARY KEY (param_id), 
	UNIQUE (trial_id, param_name), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_params" VALUES(1,1,'channels.start',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 6]}}');
INSERT INTO "trial_params" VALUES(2,1,'kernel_size.0',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8]}}');
INSERT INTO "trial_params" VALUES(3,2,'channels.start',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 6]}}');
INSERT INTO "trial_params" VALUES(4,2,'kernel_size.0',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8]}}');
INSERT INTO "trial_params" VALUES(5,3,'channels.start',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 6]}}');
INSERT INTO "trial_params" VALUES(6,3,'kernel_size.0',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8]}}');
INSERT INTO "trial_params" VALUES(7,4,'channels.start',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 6]}}');
INSERT INTO "trial_params" VALUES(8,4,'kernel_size.0',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8]}}');
INSERT INTO "trial_params" VALUES(9,5,'channels.start',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 6]}}');
INSERT INTO "trial_params" VALUES(10,5,'kernel_size.0',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8]}}');
INSERT INTO "trial_params" VALUES(11,6,'channels.start',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 6]}}');
INSERT INTO "trial_params" VALUES(12,6,'kernel_size.0',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8]}}');
CREATE TABLE trial_system_attributes (
	trial_system_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_system_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_system_attributes" VALUES(1,1,'fixed_params','{"channels.start": 4, "kernel_size.0": 8}');
INSERT INTO "trial_system_attributes" VALUES(2,4,'fixed_params','{"channels.start": 6, "kernel_size.0": 4}');
INSERT INTO "trial_system_attributes" VALUES(3,6,'fixed_params','{"channels.start": 4, "kernel_size.0": 4}');
CREATE TABLE trial_user_attributes (
	trial_user_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_user_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_user_attributes" VALUES(1,1,'baseline','"htdemucs_n"');
INSERT INTO "trial_user_attributes" VALUES(2,1,'owner','{"host": "host", "pid": 31651, "since": 1795853861.68, "pids": "pid:[4026531836]", "token": "", "given": ["baseline"]}');
INSERT INTO "trial_user_attributes" VALUES(3,1,'lease','"2026-11-28T08:18:03+00:00"');
INSERT INTO "trial_user_attributes" VALUES(4,1,'folder','"0"');
INSERT INTO "trial_user_attributes" VALUES(5,1,'started','"2026-11-28T08:18:03+00:00"');
INSERT INTO "trial_user_attributes" VALUES(6,1,'is_control','false');
INSERT INTO "trial_user_attributes" VALUES(7,1,'recipe','{"name": "tiny", "steps": 6, "epochs": null, "steps_per_epoch": null, "batch_size": 1, "accumulate": 1, "segment": 0.5, "loss": [{"kind": "l1", "weight": 1.0}], "source_weights": null, "optimiser": {"kind": "adam", "betas": [0.9, 0.999], "eps": 1e-08}, "lr": 0.001, "final_lr": 0.0, "warmup_steps": null, "warmup_epochs": null, "schedule": {"kind": "cosine"}, "clip_norm": null, "stop_norm": 1000000.0, "ema": null, "precision": "fp32", "compile": false, "flip": false, "gain": null, "remix": false, "validation": null, "checkpoint_every": null}');
INSERT INTO "trial_user_attributes" VALUES(8,1,'spec','{"name": "htdemucs_n", "sources": ["drums", "bass", "other", "vocals"], "sample_rate": 44100, "audio_channels": 2, "segment": 0.5, "depth": 2, "channels": {"start": 4, "growth": 2.0, "round_to": 1}, "kernel_size": 8, "stride": 4, "padding": "same", "activation": "gelu", "rewrite": {"encoder": 1, "decoder": 3}, "waveform": {"kernel_size": null, "stride": null, "normalize": true, "resample": 1, "estimate": "add"}, "spectral": {"resolutions": [{"n_fft": 2048, "hop_length": 512, "framing": "half"}, {"n_fft": 4096, "hop_length": 1024, "framing": "half"}, {"n_fft": 8192, "hop_length": 2048, "framing": "half"}], "share": false, "frequency_embedding": {"weight": 0.3, "scale": 10.0, "smooth": true}}, "merge": null, "residual": {"encoder": true, "decoder": false, "depth": 2, "compress": 8.0, "init": 0.001, "lstm": null, "attention": null}, "norm": {"starts": 4, "groups": 4}, "attention": [], "lstm": null, "decoder_start": "bottleneck", "fusion": {"bottleneck": {"kind": "weighted", "smoothing": 0.9}, "output": {"kind": "convolution", "width": 129}}, "init": {"rescale": 0.1, "unused": 0}}');
INSERT INTO "trial_user_attributes" VALUES(9,1,'spec_hash','"d820550ae40cd085"');
INSERT INTO "trial_user_attributes" VALUES(10,1,'differences','{}');
INSERT INTO "trial_user_attributes" VALUES(11,1,'versions','{"python": "3.11.7", "msdemucs": "0.1.0", "torch": "2.11.0", "torchaudio": "2.11.0", "numpy": "2.4.6", "optuna": "5.0.0", "lightning-fabric": "2.6.6", "sqlalchemy": "2.1.9"}');
INSERT INTO "trial_user_attributes" VALUES(12,1,'git','"45bda19b794064158bd52e40d3b1ffa3ee08c13e"');
INSERT INTO "trial_user_attributes" VALUES(13,1,'macs','190353016');
INSERT INTO "trial_user_attributes" VALUES(14,1,'macs_per_second','380706032.0');
INSERT INTO "trial_user_attributes" VALUES(15,1,'parameters','24608');
INSERT INTO "trial_user_attributes" VALUES(16,1,'inference_bytes','22348928');
INSERT INTO "trial_user_attributes" VALUES(17,1,'training_bytes','45991936');
INSERT INTO "trial_user_attributes" VALUES(18,1,'seed','0');
INSERT INTO "trial_user_attributes" VALUES(19,1,'log','"studies/before-nouns/trials/0/log.txt"');
INSERT INTO "trial_user_attributes" VALUES(20,1,'result_key','"1f26ba186c501026e52476dce4d0a288"');
INSERT INTO "trial_user_attributes" VALUES(21,1,'device','"cpu: AMD EPYC"');
INSERT INTO "trial_user_attributes" VALUES(22,1,'latency_ms_p05','224.0056137998181');
INSERT INTO "trial_user_attributes" VALUES(23,1,'latency_ms_p50','238.14443000082974');
INSERT INTO "trial_user_attributes" VALUES(24,1,'latency_ms_p95','292.520297300507');
INSERT INTO "trial_user_attributes" VALUES(25,1,'rtf','0.4762888600016595');
INSERT INTO "trial_user_attributes" VALUES(26,1,'latency_busy','0.8166286330681691');
INSERT INTO "trial_user_attributes" VALUES(27,1,'steps','6');
INSERT INTO "trial_user_attributes" VALUES(28,1,'train_seconds','7.059871199995541');
INSERT INTO "trial_user_attributes" VALUES(29,1,'rungs','[[0, 3, "usdr_db", -2.376340970671654], [0, 3, "usdr_db/band", -2.376340970671654], [0, 3, "usdr_db/vocals", -4.575833456552637], [0, 6, "usdr_db", -2.3502167506041296], [0, 6, "usdr_db/band", -2.3502167506041296], [0, 6, "usdr_db/vocals", -4.53806997477352]]');
INSERT INTO "trial_user_attributes" VALUES(30,1,'rung:3','{"usdr_db": -2.376340970671654, "usdr_db/band": -2.376340970671654, "usdr_db/vocals": -4.575833456552637}');
INSERT INTO "trial_user_attributes" VALUES(31,1,'weights','"studies/before-nouns/trials/0/weights.safetensors"');
INSERT INTO "trial_user_attributes" VALUES(32,1,'scores','{"columns": ["seed", "split", "group", "track", "source", "metric", "value"], "rows": [[0, "validation", "band", "Faded Harbour - Without Gravity", "drums", "usdr_db", -1.5537618285404722], [0, "validation", "band", "Faded Harbour - Without Gravity", "bass", "usdr_db", -0.1982678219178879], [0, "validation", "band", "Faded Harbour - Without Gravity", "other", "usdr_db", -1.9852289836830381], [0, "validation", "band", "Faded Harbour - Without Gravity", "vocals", "usdr_db", -2.1196597702248146], [0, "validation", "band", "Paper Canyon - Under Gravity", "drums", "usdr_db", -1.0451806916232105], [0, "validation", "band", "Paper Canyon - Under Gravity", "bass", "usdr_db", -0.4189801105081865], [0, "validation", "band", "Paper Canyon - Under Gravity", "other", "usdr_db", -4.524174619013202], [0, "validation", "band", "Paper Canyon - Under Gravity", "vocals", "usdr_db", -6.9564801793222255]]}');
INSERT INTO "trial_user_attributes" VALUES(33,1,'floors','{"columns": ["split", "group", "track", "source", "metric", "value"], "rows": [["validation", "band", "Faded Harbour - Without Gravity", "drums", "usdr_db", -5.5422965712338765], ["validation", "band", "Faded Harbour - Without Gravity", "bass", "usdr_db", -4.8117609491881606], ["validation", "band", "Faded Harbour - Without Gravity", "other", "usdr_db", -6.198125827086142], ["validation", "band", "Faded Harbour - Without Gravity", "vocals", "usdr_db", -3.251694869462391], ["validation", "band", "Paper Canyon - Under Gravity", "drums", "usdr_db", 2.715356665040199], ["validation", "band", "Paper Canyon - Under Gravity", "bass", "usdr_db", -7.124001161443623], ["validation", "band", "Paper Canyon - Under Gravity", "other", "usdr_db", -9.511654589575727], ["validation", "band", "Paper Canyon - Under Gravity", "vocals", "usdr_db", -10.093357871154378]]}');
INSERT INTO "trial_user_attributes" VALUES(34,1,'usdr_db','-2.3502167506041296');
INSERT INTO "trial_user_attributes" VALUES(35,1,'usdr_db/band','-2.3502167506041296');
INSERT INTO "trial_user_attributes" VALUES(36,1,'usdr_db/vocals','-4.53806997477352');
INSERT INTO "trial_user_attributes" VALUES(37,1,'rung:6','{"usdr_db": -2.3502167506041296, "usdr_db/band": -2.3502167506041296, "usdr_db/vocals": -4.53806997477352}');
INSERT INTO "trial_user_attributes" VALUES(38,1,'cpu_seconds','9.135823444');
INSERT INTO "trial_user_attributes" VALUES(39,1,'peak_memory_bytes','1071665152');
INSERT INTO "trial_user_attributes" VALUES(40,1,'peak_memory_increase_bytes','268472320');
INSERT INTO "trial_user_attributes" VALUES(41,1,'peak_memory_method','"kernel high-water mark"');
INSERT INTO "trial_user_attributes" VALUES(42,1,'seconds','31.577181706001284');
INSERT INTO "trial_user_attributes" VALUES(43,1,'curve','[[1, 0.09078934043645859], [2, 0.07203688472509384], [3, 0.09013310819864273], [4, 0.07722849398851395], [5, 0.06145849823951721], [6, 0.058655910193920135]]');
INSERT INTO "trial_user_attributes" VALUES(44,2,'owner','{"host": "host", "pid": 31651, "since": 1795853861.68, "pids": "pid:[4026531836]", "token": "", "given": []}');
INSERT INTO "trial_user_attributes" VALUES(45,2,'lease','"2026-11-28T08:18:35+00:00"');
INSERT INTO "trial_user_attributes" VALUES(46,2,'folder','"1"');
INSERT INTO "trial_user_attributes" VALUES(47,2,'started','"2026-11-28T08:18:35+00:00"');
INSERT INTO "trial_user_attributes" VALUES(48,2,'is_control','false');
INSERT INTO "trial_user_attributes" VALUES(49,2,'recipe','{"name": "tiny", "steps": 6, "epochs": null, "steps_per_epoch": null, "batch_size": 1, "accumulate": 1, "segment": 0.5, "loss": [{"kind": "l1", "weight": 1.0}], "source_weights": null, "optimiser": {"kind": "adam", "betas": [0.9, 0.999], "eps": 1e-08}, "lr": 0.001, "final_lr": 0.0, "warmup_steps": null, "warmup_epochs": null, "schedule": {"kind": "cosine"}, "clip_norm": null, "stop_norm": 1000000.0, "ema": null, "precision": "fp32", "compile": false, "flip": false, "gain": null, "remix": false, "validation": null, "checkpoint_every": null}');
INSERT INTO "trial_user_attributes" VALUES(50,2,'spec','{"name": "trial 1", "sources": ["drums", "bass", "other", "vocals"], "sample_rate": 44100, "audio_channels": 2, "segment": 0.5, "depth": 2, "channels": {"start": 6, "growth": 2.0, "round_to": 1}, "kernel_size": [8, 8], "stride": 4, "padding": "same", "activation": "gelu", "rewrite": {"encoder": 1, "decoder": 3}, "waveform": {"kernel_size": null, "stride": null, "normalize": true, "resample": 1, "estimate": "add"}, "spectral": {"resolutions": [{"n_fft": 2048, "hop_length": 512, "framing": "half"}, {"n_fft": 4096, "hop_length": 1024, "framing": "half"}, {"n_fft": 8192, "hop_length": 2048, "framing": "half"}], "share": false, "frequency_embedding": {"weight": 0.3, "scale": 10.0, "smooth": true}}, "merge": null, "residual": {"encoder": true, "decoder": false, "depth": 2, "compress": 8.0, "init": 0.001, "lstm": null, "attention": null}, "norm": {"starts": 4, "groups": 4}, "attention": [], "lstm": null, "decoder_start": "bottleneck", "fusion": {"bottleneck": {"kind": "weighted", "smoothing": 0.9}, "output": {"kind": "convolution", "width": 129}}, "init": {"rescale": 0.1, "unused": 0}}');
INSERT INTO "trial_user_attributes" VALUES(51,2,'spec_hash','"68b09ce70f3856c1"');
INSERT INTO "trial_user_attributes" VALUES(52,2,'differences','{"channels.start": [4, 6], "kernel_size": [8, [8, 8]]}');
INSERT INTO "trial_user_attributes" VALUES(53,2,'versions','{"python": "3.11.7", "msdemucs": "0.1.0", "torch": "2.11.0", "torchaudio": "2.11.0", "numpy": "2.4.6", "optuna": "5.0.0", "lightning-fabric": "2.6.6", "sqlalchemy": "2.1.9"}');
INSERT INTO "trial_user_attributes" VALUES(54,2,'git','"45bda19b794064158bd52e40d3b1ffa3ee08c13e"');
INSERT INTO "trial_user_attributes" VALUES(55,2,'macs','238315236');
INSERT INTO "trial_user_attributes" VALUES(56,2,'macs_per_second','476630472.0');
INSERT INTO "trial_user_attributes" VALUES(57,2,'parameters','39376');
INSERT INTO "trial_user_attributes" VALUES(58,2,'inference_bytes','22348928');
INSERT INTO "trial_user_attributes" VALUES(59,2,'training_bytes','56054304');
INSERT INTO "trial_user_attributes" VALUES(60,2,'seed','0');
INSERT INTO "trial_user_attributes" VALUES(61,2,'log','"studies/before-nouns/trials/1/log.txt"');
INSERT INTO "trial_user_attributes" VALUES(62,2,'result_key','"beb5624d7036536290f20033f3e9af87"');
INSERT INTO "trial_user_attributes" VALUES(63,2,'device','"cpu: AMD EPYC"');
INSERT INTO "trial_user_attributes" VALUES(64,2,'latency_ms_p05','259.92698640147864');
INSERT INTO "trial_user_attributes" VALUES(65,2,'latency_ms_p50','329.2932180011121');
INSERT INTO "trial_user_attributes" VALUES(66,2,'latency_ms_p95','404.5783972982462');
INSERT INTO "trial_user_attributes" VALUES(67,2,'rtf','0.6585864360022242');
INSERT INTO "trial_user_attributes" VALUES(68,2,'latency_busy','0.804653453462196');
INSERT INTO "trial_user_attributes" VALUES(69,2,'steps','6');
INSERT INTO "trial_user_attributes" VALUES(70,2,'train_seconds','6.672507498995401');
INSERT INTO "trial_user_attributes" VALUES(71,2,'rungs','[[0, 3, "usdr_db", -1.8741040333186127], [0, 3, "usdr_db/band", -1.8741040333186127], [0, 3, "usdr_db/vocals", -2.748352388772776], [0, 6, "usdr_db", -1.8419931605810325], [0, 6, "usdr_db/band", -1.8419931605810325], [0, 6, "usdr_db/vocals", -2.715281748807706]]');
INSERT INTO "trial_user_attributes" VALUES(72,2,'rung:3','{"usdr_db": -1.8741040333186127, "usdr_db/band": -1.8741040333186127, "usdr_db/vocals": -2.748352388772776}');
INSERT INTO "trial_user_attributes" VALUES(73,2,'weights','"studies/before-nouns/trials/1/weights.safetensors"');
INSERT INTO "trial_user_attributes" VALUES(74,2,'scores','{"columns": ["seed", "split", "group", "track", "source", "metric", "value"], "rows": [[0, "validation", "band", "Faded Harbour - Without Gravity", "drums", "usdr_db", -1.7071182817320183], [0, "validation", "band", "Faded Harbour - Without Gravity", "bass", "usdr_db", -1.351577206352522], [0, "validation", "band", "Faded Harbour - Without Gravity", "other", "usdr_db", -0.338844108457714], [0, "validation", "band", "Faded Harbour - Without Gravity", "vocals", "usdr_db", -1.0107934726960055], [0, "validation", "band", "Paper Canyon - Under Gravity", "drums", "usdr_db", -0.9067750628071347], [0, "validation", "band", "Paper Canyon - Under Gravity", "bass", "usdr_db", -3.4451543819384405], [0, "validation", "band", "Paper Canyon - Under Gravity", "other", "usdr_db", -1.5559127457450188], [0, "validation", "band", "Paper Canyon - Under Gravity", "vocals", "usdr_db", -4.419770024919407]]}');
INSERT INTO "trial_user_attributes" VALUES(75,2,'floors','{"columns": ["split", "group", "track", "source", "metric", "value"], "rows": [["validation", "band", "Faded Harbour - Without Gravity", "drums", "usdr_db", -5.5422965712338765], ["validation", "band", "Faded Harbour - Without Gravity", "bass", "usdr_db", -4.8117609491881606], ["validation", "band", "Faded Harbour - Without Gravity", "other", "usdr_db", -6.198125827086142], ["validation", "band", "Faded Harbour - Without Gravity", "vocals", "usdr_db", -3.251694869462391], ["validation", "band", "Paper Canyon - Under Gravity", "drums", "usdr_db", 2.715356665040199], ["validation", "band", "Paper Canyon - Under Gravity", "bass", "usdr_db", -7.124001161443623], ["validation", "band", "Paper Canyon - Under Gravity", "other", "usdr_db", -9.511654589575727], ["validation", "band", "Paper Canyon - Under Gravity", "vocals", "usdr_db", -10.093357871154378]]}');
INSERT INTO "trial_user_attributes" VALUES(76,2,'usdr_db','-1.8419931605810325');
INSERT INTO "trial_user_attributes" VALUES(77,2,'usdr_db/band','-1.8419931605810325');
INSERT INTO "trial_user_attributes" VALUES(78,2,'usdr_db/vocals','-2.715281748807706');
INSERT INTO "trial_user_attributes" VALUES(79,2,'rung:6','{"usdr_db": -1.8419931605810325, "usdr_db/band": -1.8419931605810325, "usdr_db/vocals": -2.715281748807706}');
INSERT INTO "trial_user_attributes" VALUES(80,2,'cpu_seconds','10.212144087999999');
INSERT INTO "trial_user_attributes" VALUES(81,2,'peak_memory_bytes','1105367040');
INSERT INTO "trial_user_attributes" VALUES(82,2,'peak_memory_increase_bytes','167989248');
INSERT INTO "trial_user_attributes" VALUES(83,2,'peak_memory_method','"kernel high-water mark"');
INSERT INTO "trial_user_attributes" VALUES(84,2,'seconds','32.35308187800183');
INSERT INTO "trial_user_attributes" VALUES(85,2,'curve','[[1, 0.08618851006031036], [2, 0.07104401290416718], [3, 0.08688874542713165], [4, 0.07508407533168793], [5, 0.05654159188270569], [6, 0.05437459796667099]]');
INSERT INTO "trial_user_attributes" VALUES(86,3,'owner','{"host": "host", "pid": 31651, "since": 1795853861.68, "pids": "pid:[4026531836]", "token": "", "given": []}');
INSERT INTO "trial_user_attributes" VALUES(87,3,'lease','"2026-11-28T08:19:08+00:00"');
INSERT INTO "trial_user_attributes" VALUES(88,3,'folder','"2"');
INSERT INTO "trial_user_attributes" VALUES(89,3,'started','"2026-11-28T08:19:08+00:00"');
INSERT INTO "trial_user_attributes" VALUES(90,3,'is_control','false');
INSERT INTO "trial_user_attributes" VALUES(91,3,'recipe','{"name": "tiny", "steps": 6, "epochs": null, "steps_per_epoch": null, "batch_size": 1, "accumulate": 1, "segment": 0.5, "loss": [{"kind": "l1", "weight": 1.0}], "source_weights": null, "optimiser": {"kind": "adam", "betas": [0.9, 0.999], "eps": 1e-08}, "lr": 0.001, "final_lr": 0.0, "warmup_steps": null, "warmup_epochs": null, "schedule": {"kind": "cosine"}, "clip_norm": null, "stop_norm": 1000000.0, "ema": null, "precision": "fp32", "compile": false, "flip": false, "gain": null, "remix": false, "validation": null, "checkpoint_every": null}');
INSERT INTO "trial_user_attributes" VALUES(92,3,'spec','{"name": "trial 2", "sources": ["drums", "bass", "other", "vocals"], "sample_rate": 44100, "audio_channels": 2, "segment": 0.5, "depth": 2, "channels": {"start": 4, "growth": 2.0, "round_to": 1}, "kernel_size": [8, 8], "stride": 4, "padding": "same", "activation": "gelu", "rewrite": {"encoder": 1, "decoder": 3}, "waveform": {"kernel_size": null, "stride": null, "normalize": true, "resample": 1, "estimate": "add"}, "spectral": {"resolutions": [{"n_fft": 2048, "hop_length": 512, "framing": "half"}, {"n_fft": 4096, "hop_length": 1024, "framing": "half"}, {"n_fft": 8192, "hop_length": 2048, "framing": "half"}], "share": false, "frequency_embedding": {"weight": 0.3, "scale": 10.0, "smooth": true}}, "merge": null, "residual": {"encoder": true, "decoder": false, "depth": 2, "compress": 8.0, "init": 0.001, "lstm": null, "attention": null}, "norm": {"starts": 4, "groups": 4}, "attention": [], "lstm": null, "decoder_start": "bottleneck", "fusion": {"bottleneck": {"kind": "weighted", "smoothing": 0.9}, "output": {"kind": "convolution", "width": 129}}, "init": {"rescale": 0.1, "unused": 0}}');
INSERT INTO "trial_user_attributes" VALUES(93,3,'spec_hash','"d820550ae40cd085"');
INSERT INTO "trial_user_attributes" VALUES(94,3,'differences','{"kernel_size": [8, [8, 8]]}');
INSERT INTO "trial_user_attributes" VALUES(95,3,'versions','{"python": "3.11.7", "msdemucs": "0.1.0", "torch": "2.11.0", "torchaudio": "2.11.0", "numpy": "2.4.6", "optuna": "5.0.0", "lightning-fabric": "2.6.6", "sqlalchemy": "2.1.9"}');
INSERT INTO "trial_user_attributes" VALUES(96,3,'git','"45bda19b794064158bd52e40d3b1ffa3ee08c13e"');
INSERT INTO "trial_user_attributes" VALUES(97,3,'macs','190353016');
INSERT INTO "trial_user_attributes" VALUES(98,3,'macs_per_second','380706032.0');
INSERT INTO "trial_user_attributes" VALUES(99,3,'parameters','24608');
INSERT INTO "trial_user_attributes" VALUES(100,3,'inference_bytes','22348928');
INSERT INTO "trial_user_attributes" VALUES(101,3,'training_bytes','45991936');
INSERT INTO "trial_user_attributes" VALUES(102,3,'seed','0');
INSERT INTO "trial_user_attributes" VALUES(103,3,'log','"studies/before-nouns/trials/2/log.txt"');
INSERT INTO "trial_user_attributes" VALUES(104,3,'result_key','"1f26ba186c501026e52476dce4d0a288"');
INSERT INTO "trial_user_attributes" VALUES(105,3,'device','"cpu: AMD EPYC"');
INSERT INTO "trial_user_attributes" VALUES(106,3,'rungs','[[0, 3, "usdr_db", -2.376340970671654], [0, 3, "usdr_db/band", -2.376340970671654], [0, 3, "usdr_db/vocals", -4.575833456552637], [0, 6, "usdr_db", -2.3502167506041296], [0, 6, "usdr_db/band", -2.3502167506041296], [0, 6, "usdr_db/vocals", -4.53806997477352]]');
INSERT INTO "trial_user_attributes" VALUES(107,3,'rung:3','{"usdr_db": -2.376340970671654, "usdr_db/band": -2.376340970671654, "usdr_db/vocals": -4.575833456552637}');
INSERT INTO "trial_user_attributes" VALUES(108,3,'weights','"studies/before-nouns/trials/0/weights.safetensors"');
INSERT INTO "trial_user_attributes" VALUES(109,3,'scores','{"columns": ["seed", "split", "group", "track", "source", "metric", "value"], "rows": [[0, "validation", "band", "Faded Harbour - Without Gravity", "drums", "usdr_db", -1.5537618285404722], [0, "validation", "band", "Faded Harbour - Without Gravity", "bass", "usdr_db", -0.1982678219178879], [0, "validation", "band", "Faded Harbour - Without Gravity", "other", "usdr_db", -1.9852289836830381], [0, "validation", "band", "Faded Harbour - Without Gravity", "vocals", "usdr_db", -2.1196597702248146], [0, "validation", "band", "Paper Canyon - Under Gravity", "drums", "usdr_db", -1.0451806916232105], [0, "validation", "band", "Paper Canyon - Under Gravity", "bass", "usdr_db", -0.4189801105081865], [0, "validation", "band", "Paper Canyon - Under Gravity", "other", "usdr_db", -4.524174619013202], [0, "validation", "band", "Paper Canyon - Under Gravity", "vocals", "usdr_db", -6.9564801793222255]]}');
INSERT INTO "trial_user_attributes" VALUES(110,3,'floors','{"columns": ["split", "group", "track", "source", "metric", "value"], "rows": [["validation", "band", "Faded Harbour - Without Gravity", "drums", "usdr_db", -5.5422965712338765], ["validation", "band", "Faded Harbour - Without Gravity", "bass", "usdr_db", -4.8117609491881606], ["validation", "band", "Faded Harbour - Without Gravity", "other", "usdr_db", -6.198125827086142], ["validation", "band", "Faded Harbour - Without Gravity", "vocals", "usdr_db", -3.251694869462391], ["validation", "band", "Paper Canyon - Under Gravity", "drums", "usdr_db", 2.715356665040199], ["validation", "band", "Paper Canyon - Under Gravity", "bass", "usdr_db", -7.124001161443623], ["validation", "band", "Paper Canyon - Under Gravity", "other", "usdr_db", -9.511654589575727], ["validation", "band", "Paper Canyon - Under Gravity", "vocals", "usdr_db", -10.093357871154378]]}');
INSERT INTO "trial_user_attributes" VALUES(111,3,'rung:6','{"usdr_db": -2.3502167506041296, "usdr_db/band": -2.3502167506041296, "usdr_db/vocals": -4.53806997477352}');
INSERT INTO "trial_user_attributes" VALUES(112,3,'peak_memory_method','"kernel high-water mark"');
INSERT INTO "trial_user_attributes" VALUES(113,3,'curve','[[1, 0.09078934043645859], [2, 0.07203688472509384], [3, 0.09013310819864273], [4, 0.07722849398851395], [5, 0.06145849823951721], [6, 0.058655910193920135]]');
INSERT INTO "trial_user_attributes" VALUES(114,3,'steps','0');
INSERT INTO "trial_user_attributes" VALUES(115,3,'latency_ms_p05','224.0056137998181');
INSERT INTO "trial_user_attributes" VALUES(116,3,'latency_ms_p50','238.14443000082974');
INSERT INTO "trial_user_attributes" VALUES(117,3,'latency_ms_p95','292.520297300507');
INSERT INTO "trial_user_attributes" VALUES(118,3,'rtf','0.4762888600016595');
INSERT INTO "trial_user_attributes" VALUES(119,3,'latency_busy','0.8166286330681691');
INSERT INTO "trial_user_attributes" VALUES(120,3,'usdr_db','-2.3502167506041296');
INSERT INTO "trial_user_attributes" VALUES(121,3,'usdr_db/band','-2.3502167506041296');
INSERT INTO "trial_user_attributes" VALUES(122,3,'usdr_db/vocals','-4.53806997477352');
INSERT INTO "trial_user_attributes" VALUES(123,3,'peak_memory_bytes','1071665152');
INSERT INTO "trial_user_attributes" VALUES(124,3,'peak_memory_increase_bytes','268472320');
INSERT INTO "trial_user_attributes" VALUES(125,3,'duplicate_of','"before-nouns/0"');
INSERT INTO "trial_user_attributes" VALUES(126,3,'seconds','0.13047437399654882');
INSERT INTO "trial_user_attributes" VALUES(127,4,'instead_of','2');
INSERT INTO "trial_user_attributes" VALUES(128,4,'owner','{"host": "host", "pid": 31651, "since": 1795853861.68, "pids": "pid:[4026531836]", "token": "", "given": ["instead_of"]}');
INSERT INTO "trial_user_attributes" VALUES(129,4,'lease','"2026-11-28T08:19:08+00:00"');
INSERT INTO "trial_user_attributes" VALUES(130,4,'folder','"3"');
INSERT INTO "trial_user_attributes" VALUES(131,4,'started','"2026-11-28T08:19:08+00:00"');
INSERT INTO "trial_user_attributes" VALUES(132,4,'is_control','false');
INSERT INTO "trial_user_attributes" VALUES(133,4,'recipe','{"name": "tiny", "steps": 6, "epochs": null, "steps_per_epoch": null, "batch_size": 1, "accumulate": 1, "segment": 0.5, "loss": [{"kind": "l1", "weight": 1.0}], "source_weights": null, "optimiser": {"kind": "adam", "betas": [0.9, 0.999], "eps": 1e-08}, "lr": 0.001, "final_lr": 0.0, "warmup_steps": null, "warmup_epochs": null, "schedule": {"kind": "cosine"}, "clip_norm": null, "stop_norm": 1000000.0, "ema": null, "precision": "fp32", "compile": false, "flip": false, "gain": null, "remix": false, "validation": null, "checkpoint_every": null}');
INSERT INTO "trial_user_attributes" VALUES(134,4,'spec','{"name": "trial 3", "sources": ["drums", "bass", "other", "vocals"], "sample_rate": 44100, "audio_channels": 2, "segment": 0.5, "depth": 2, "channels": {"start": 6, "growth": 2.0, "round_to": 1}, "kernel_size": [4, 8], "stride": 4, "padding": "same", "activation": "gelu", "rewrite": {"encoder": 1, "decoder": 3}, "waveform": {"kernel_size": null, "stride": null, "normalize": true, "resample": 1, "estimate": "add"}, "spectral": {"resolutions": [{"n_fft": 2048, "hop_length": 512, "framing": "half"}, {"n_fft": 4096, "hop_length": 1024, "framing": "half"}, {"n_fft": 8192, "hop_length": 2048, "framing": "half"}], "share": false, "frequency_embedding": {"weight": 0.3, "scale": 10.0, "smooth": true}}, "merge": null, "residual": {"encoder": true, "decoder": false, "depth": 2, "compress": 8.0, "init": 0.001, "lstm": null, "attention": null}, "norm": {"starts": 4, "groups": 4}, "attention": [], "lstm": null, "decoder_start": "bottleneck", "fusion": {"bottleneck": {"kind": "weighted", "smoothing": 0.9}, "output": {"kind": "convolution", "width": 129}}, "init": {"rescale": 0.1, "unused": 0}}');
INSERT INTO "trial_user_attributes" VALUES(135,4,'spec_hash','"8679fe9560db2373"');
INSERT INTO "trial_user_attributes" VALUES(136,4,'differences','{"channels.start": [4, 6], "kernel_size": [8, [4, 8]]}');
INSERT INTO "trial_user_attributes" VALUES(137,4,'versions','{"python": "3.11.7", "msdemucs": "0.1.0", "torch": "2.11.0", "torchaudio": "2.11.0", "numpy": "2.4.6", "optuna": "5.0.0", "lightning-fabric": "2.6.6", "sqlalchemy": "2.1.9"}');
INSERT INTO "trial_user_attributes" VALUES(138,4,'git','"45bda19b794064158bd52e40d3b1ffa3ee08c13e"');
INSERT INTO "trial_user_attributes" VALUES(139,4,'macs','220771956');
INSERT INTO "trial_user_attributes" VALUES(140,4,'macs_per_second','441543912.0');
INSERT INTO "trial_user_attributes" VALUES(141,4,'parameters','37696');
INSERT INTO "trial_user_attributes" VALUES(142,4,'inference_bytes','22348928');
INSERT INTO "trial_user_attributes" VALUES(143,4,'training_bytes','56054304');
INSERT INTO "trial_user_attributes" VALUES(144,4,'seed','0');
INSERT INTO "trial_user_attributes" VALUES(145,4,'log','"studies/before-nouns/trials/3/log.txt"');
INSERT INTO "trial_user_attributes" VALUES(146,4,'result_key','"e03733a3e5a236027ba2a34574f4d984"');
INSERT INTO "trial_user_attributes" VALUES(147,4,'device','"cpu: AMD EPYC"');
INSERT INTO "trial_user_attributes" VALUES(148,4,'latency_ms_p05','449.6932829992147');
INSERT INTO "trial_user_attributes" VALUES(149,4,'latency_ms_p50','530.4061189999629');
INSERT INTO "trial_user_attributes" VALUES(150,4,'latency_ms_p95','598.428965401763');
INSERT INTO "trial_user_attributes" VALUES(151,4,'rtf','1.0608122379999259');
INSERT INTO "trial_user_attributes" VALUES(152,4,'latency_busy','0.8666683362588123');
INSERT INTO "trial_user_attributes" VALUES(153,4,'steps','3');
INSERT INTO "trial_user_attributes" VALUES(154,4,'train_seconds','3.614914547000808');
INSERT INTO "trial_user_attributes" VALUES(155,4,'rungs','[[0, 3, "usdr_db", -1.831731610509979], [0, 3, "usdr_db/band", -1.831731610509979], [0, 3, "usdr_db/vocals", -4.248860054127687]]');
INSERT INTO "trial_user_attributes" VALUES(156,4,'rung:3','{"usdr_db": -1.831731610509979, "usdr_db/band": -1.831731610509979, "usdr_db/vocals": -4.248860054127687}');
INSERT INTO "trial_user_attributes" VALUES(157,4,'stopped_at','3');
INSERT INTO "trial_user_attributes" VALUES(158,4,'rung_scores','{"columns": ["step", "seed", "split", "group", "track", "source", "metric", "value"], "rows": [[3, 0, "validation", "band", "Faded Harbour - Without Gravity", "drums", "usdr_db", -0.8798025019495914], [3, 0, "validation", "band", "Faded Harbour - Without Gravity", "bass", "usdr_db", -1.5086602568223935], [3, 0, "validation", "band", "Faded Harbour - Without Gravity", "other", "usdr_db", -0.027184320125695546], [3, 0, "validation", "band", "Faded Harbour - Without Gravity", "vocals", "usdr_db", -1.9408133840387152], [3, 0, "validation", "band", "Paper Canyon - Under Gravity", "drums", "usdr_db", -0.6531865292833627], [3, 0, "validation", "band", "Paper Canyon - Under Gravity", "bass", "usdr_db", -2.993198187895845], [3, 0, "validation", "band", "Paper Canyon - Under Gravity", "other", "usdr_db", -0.09410097974757033], [3, 0, "validation", "band", "Paper Canyon - Under Gravity", "vocals", "usdr_db", -6.556906724216658]]}');
INSERT INTO "trial_user_attributes" VALUES(159,4,'cpu_seconds','6.565457014000003');
INSERT INTO "trial_user_attributes" VALUES(160,4,'seconds','24.661666120999143');
INSERT INTO "trial_user_attributes" VALUES(161,4,'curve','[[1, 0.08659878373146057], [2, 0.07007613778114319], [3, 0.08663039654493332]]');
INSERT INTO "trial_user_attributes" VALUES(162,4,'failure','"at step 3: place 3 of 3 there, of which 1 go on (usdr_db/vocals -4.25)"');
INSERT INTO "trial_user_attributes" VALUES(163,5,'owner','{"host": "host", "pid": 31651, "since": 1795853861.68, "pids": "pid:[4026531836]", "token": "", "given": []}');
INSERT INTO "trial_user_attributes" VALUES(164,5,'lease','"2026-11-28T08:19:33+00:00"');
INSERT INTO "trial_user_attributes" VALUES(165,5,'folder','"4"');
INSERT INTO "trial_user_attributes" VALUES(166,5,'started','"2026-11-28T08:19:33+00:00"');
INSERT INTO "trial_user_attributes" VALUES(167,5,'is_control','false');
INSERT INTO "trial_user_attributes" VALUES(168,5,'recipe','{"name": "tiny", "steps": 6, "epochs": null, "steps_per_epoch": null, "batch_size": 1, "accumulate": 1, "segment": 0.5, "loss": [{"kind": "l1", "weight": 1.0}], "source_weights": null, "optimiser": {"kind": "adam", "betas": [0.9, 0.999], "eps": 1e-08}, "lr": 0.001, "final_lr": 0.0, "warmup_steps": null, "warmup_epochs": null, "schedule": {"kind": "cosine"}, "clip_norm": null, "stop_norm": 1000000.0, "ema": null, "precision": "fp32", "compile": false, "flip": false, "gain": null, "remix": false, "validation": null, "checkpoint_every": null}');
INSERT INTO "trial_user_attributes" VALUES(169,5,'spec','{"name": "trial 4", "sources": ["drums", "bass", "other", "vocals"], "sample_rate": 44100, "audio_channels": 2, "segment": 0.5, "depth": 2, "channels": {"start": 6, "growth": 2.0, "round_to": 1}, "kernel_size": [8, 8], "stride": 4, "padding": "same", "activation": "gelu", "rewrite": {"encoder": 1, "decoder": 3}, "waveform": {"kernel_size": null, "stride": null, "normalize": true, "resample": 1, "estimate": "add"}, "spectral": {"resolutions": [{"n_fft": 2048, "hop_length": 512, "framing": "half"}, {"n_fft": 4096, "hop_length": 1024, "framing": "half"}, {"n_fft": 8192, "hop_length": 2048, "framing": "half"}], "share": false, "frequency_embedding": {"weight": 0.3, "scale": 10.0, "smooth": true}}, "merge": null, "residual": {"encoder": true, "decoder": false, "depth": 2, "compress": 8.0, "init": 0.001, "lstm": null, "attention": null}, "norm": {"starts": 4, "groups": 4}, "attention": [], "lstm": null, "decoder_start": "bottleneck", "fusion": {"bottleneck": {"kind": "weighted", "smoothing": 0.9}, "output": {"kind": "convolution", "width": 129}}, "init": {"rescale": 0.1, "unused": 0}}');
INSERT INTO "trial_user_attributes" VALUES(170,5,'spec_hash','"68b09ce70f3856c1"');
INSERT INTO "trial_user_attributes" VALUES(171,5,'differences','{"channels.start": [4, 6], "kernel_size": [8, [8, 8]]}');
INSERT INTO "trial_user_attributes" VALUES(172,5,'versions','{"python": "3.11.7", "msdemucs": "0.1.0", "torch": "2.11.0", "torchaudio": "2.11.0", "numpy": "2.4.6", "optuna": "5.0.0", "lightning-fabric": "2.6.6", "sqlalchemy": "2.1.9"}');
INSERT INTO "trial_user_attributes" VALUES(173,5,'git','"45bda19b794064158bd52e40d3b1ffa3ee08c13e"');
INSERT INTO "trial_user_attributes" VALUES(174,5,'macs','238315236');
INSERT INTO "trial_user_attributes" VALUES(175,5,'macs_per_second','476630472.0');
INSERT INTO "trial_user_attributes" VALUES(176,5,'parameters','39376');
INSERT INTO "trial_user_attributes" VALUES(177,5,'inference_bytes','22348928');
INSERT INTO "trial_user_attributes" VALUES(178,5,'training_bytes','56054304');
INSERT INTO "trial_user_attributes" VALUES(179,5,'seed','0');
INSERT INTO "trial_user_attributes" VALUES(180,5,'log','"studies/before-nouns/trials/4/log.txt"');
INSERT INTO "trial_user_attributes" VALUES(181,5,'result_key','"beb5624d7036536290f20033f3e9af87"');
INSERT INTO "trial_user_attributes" VALUES(182,5,'device','"cpu: AMD EPYC"');
INSERT INTO "trial_user_attributes" VALUES(183,5,'rungs','[[0, 3, "usdr_db", -1.8741040333186127], [0, 3, "usdr_db/band", -1.8741040333186127], [0, 3, "usdr_db/vocals", -2.748352388772776], [0, 6, "usdr_db", -1.8419931605810325], [0, 6, "usdr_db/band", -1.8419931605810325], [0, 6, "usdr_db/vocals", -2.715281748807706]]');
INSERT INTO "trial_user_attributes" VALUES(184,5,'rung:3','{"usdr_db": -1.8741040333186127, "usdr_db/band": -1.8741040333186127, "usdr_db/vocals": -2.748352388772776}');
INSERT INTO "trial_user_attributes" VALUES(185,5,'weights','"studies/before-nouns/trials/1/weights.safetensors"');
INSERT INTO "trial_user_attributes" VALUES(186,5,'scores','{"columns": ["seed", "split", "group", "track", "source", "metric", "value"], "rows": [[0, "validation", "band", "Faded Harbour - Without Gravity", "drums", "usdr_db", -1.7071182817320183], [0, "validation", "band", "Faded Harbour - Without Gravity", "bass", "usdr_db", -1.351577206352522], [0, "validation", "band", "Faded Harbour - Without Gravity", "other", "usdr_db", -0.338844108457714], [0, "validation", "band", "Faded Harbour - Without Gravity", "vocals", "usdr_db", -1.0107934726960055], [0, "validation", "band", "Paper Canyon - Under Gravity", "drums", "usdr_db", -0.9067750628071347], [0, "validation", "band", "Paper Canyon - Under Gravity", "bass", "usdr_db", -3.4451543819384405], [0, "validation", "band", "Paper Canyon - Under Gravity", "other", "usdr_db", -1.5559127457450188], [0, "validation", "band", "Paper Canyon - Under Gravity", "vocals", "usdr_db", -4.419770024919407]]}');
INSERT INTO "trial_user_attributes" VALUES(187,5,'floors','{"columns": ["split", "group", "track", "source", "metric", "value"], "rows": [["validation", "band", "Faded Harbour - Without Gravity", "drums", "usdr_db", -5.5422965712338765], ["validation", "band", "Faded Harbour - Without Gravity", "bass", "usdr_db", -4.8117609491881606], ["validation", "band", "Faded Harbour - Without Gravity", "other", "usdr_db", -6.198125827086142], ["validation", "band", "Faded Harbour - Without Gravity", "vocals", "usdr_db", -3.251694869462391], ["validation", "band", "Paper Canyon - Under Gravity", "drums", "usdr_db", 2.715356665040199], ["validation", "band", "Paper Canyon - Under Gravity", "bass", "usdr_db", -7.124001161443623], ["validation", "band", "Paper Canyon - Under Gravity", "other", "usdr_db", -9.511654589575727], ["validation", "band", "Paper Canyon - Under Gravity", "vocals", "usdr_db", -10.093357871154378]]}');
INSERT INTO "trial_user_attributes" VALUES(188,5,'rung:6','{"usdr_db": -1.8419931605810325, "usdr_db/band": -1.8419931605810325, "usdr_db/vocals": -2.715281748807706}');
INSERT INTO "trial_user_attributes" VALUES(189,5,'peak_memory_method','"kernel high-water mark"');
INSERT INTO "trial_user_attributes" VALUES(190,5,'curve','[[1, 0.08618851006031036], [2, 0.07104401290416718], [3, 0.08688874542713165], [4, 0.07508407533168793], [5, 0.05654159188270569], [6, 0.05437459796667099]]');
INSERT INTO "trial_user_attributes" VALUES(191,5,'steps','0');
INSERT INTO "trial_user_attributes" VALUES(192,5,'latency_ms_p05','259.92698640147864');
INSERT INTO "trial_user_attributes" VALUES(193,5,'latency_ms_p50','329.2932180011121');
INSERT INTO "trial_user_attributes" VALUES(194,5,'latency_ms_p95','404.5783972982462');
INSERT INTO "trial_user_attributes" VALUES(195,5,'rtf','0.6585864360022242');
INSERT INTO "trial_user_attributes" VALUES(196,5,'latency_busy','0.804653453462196');
INSERT INTO "trial_user_attributes" VALUES(197,5,'usdr_db','-1.8419931605810325');
INSERT INTO "trial_user_attributes" VALUES(198,5,'usdr_db/band','-1.8419931605810325');
INSERT INTO "trial_user_attributes" VALUES(199,5,'usdr_db/vocals','-2.715281748807706');
INSERT INTO "trial_user_attributes" VALUES(200,5,'peak_memory_bytes','1105367040');
INSERT INTO "trial_user_attributes" VALUES(201,5,'peak_memory_increase_bytes','167989248');
INSERT INTO "trial_user_attributes" VALUES(202,5,'duplicate_of','"before-nouns/1"');
INSERT INTO "trial_user_attributes" VALUES(203,5,'seconds','0.12460561599800712');
INSERT INTO "trial_user_attributes" VALUES(204,6,'instead_of','4');
INSERT INTO "trial_user_attributes" VALUES(205,6,'owner','{"host": "host", "pid": 31651, "since": 1795853861.68, "pids": "pid:[4026531836]", "token": "", "given": ["instead_of"]}');
INSERT INTO "trial_user_attributes" VALUES(206,6,'lease','"2026-11-28T08:19:34+00:00"');
INSERT INTO "trial_user_attributes" VALUES(207,6,'folder','"5"');
INSERT INTO "trial_user_attributes" VALUES(208,6,'started','"2026-11-28T08:19:34+00:00"');
INSERT INTO "trial_user_attributes" VALUES(209,6,'is_control','false');
INSERT INTO "trial_user_attributes" VALUES(210,6,'recipe','{"name": "tiny", "steps": 6, "epochs": null, "steps_per_epoch": null, "batch_size": 1, "accumulate": 1, "segment": 0.5, "loss": [{"kind": "l1", "weight": 1.0}], "source_weights": null, "optimiser": {"kind": "adam", "betas": [0.9, 0.999], "eps": 1e-08}, "lr": 0.001, "final_lr": 0.0, "warmup_steps": null, "warmup_epochs": null, "schedule": {"kind": "cosine"}, "clip_norm": null, "stop_norm": 1000000.0, "ema": null, "precision": "fp32", "compile": false, "flip": false, "gain": null, "remix": false, "validation": null, "checkpoint_every": null}');
INSERT INTO "trial_user_attributes" VALUES(211,6,'spec','{"name": "trial 5", "sources": ["drums", "bass", "other", "vocals"], "sample_rate": 44100, "audio_channels": 2, "segment": 0.5, "depth": 2, "channels": {"start": 4, "growth": 2.0, "round_to": 1}, "kernel_size": [4, 8], "stride": 4, "padding": "same", "activation": "gelu", "rewrite": {"encoder": 1, "decoder": 3}, "waveform": {"kernel_size": null, "stride": null, "normalize": true, "resample": 1, "estimate": "add"}, "spectral": {"resolutions": [{"n_fft": 2048, "hop_length": 512, "framing": "half"}, {"n_fft": 4096, "hop_length": 1024, "framing": "half"}, {"n_fft": 8192, "hop_length": 2048, "framing": "half"}], "share": false, "frequency_embedding": {"weight": 0.3, "scale": 10.0, "smooth": true}}, "merge": null, "residual": {"encoder": true, "decoder": false, "depth": 2, "compress": 8.0, "init": 0.001, "lstm": null, "attention": null}, "norm": {"starts": 4, "groups": 4}, "attention": [], "lstm": null, "decoder_start": "bottleneck", "fusion": {"bottleneck": {"kind": "weighted", "smoothing": 0.9}, "output": {"kind": "convolution", "width": 129}}, "init": {"rescale": 0.1, "unused": 0}}');
INSERT INTO "trial_user_attributes" VALUES(212,6,'spec_hash','"468c158228924bec"');
INSERT INTO "trial_user_attributes" VALUES(213,6,'differences','{"kernel_size": [8, [4, 8]]}');
INSERT INTO "trial_user_attributes" VALUES(214,6,'versions','{"python": "3.11.7", "msdemucs": "0.1.0", "torch": "2.11.0", "torchaudio": "2.11.0", "numpy": "2.4.6", "optuna": "5.0.0", "lightning-fabric": "2.6.6", "sqlalchemy": "2.1.9"}');
INSERT INTO "trial_user_attributes" VALUES(215,6,'git','"45bda19b794064158bd52e40d3b1ffa3ee08c13e"');
INSERT INTO "trial_user_attributes" VALUES(216,6,'macs','178657496');
INSERT INTO "trial_user_attributes" VALUES(217,6,'macs_per_second','357314992.0');
INSERT INTO "trial_user_attributes" VALUES(218,6,'parameters','23488');
INSERT INTO "trial_user_attributes" VALUES(219,6,'inference_bytes','22348928');
INSERT INTO "trial_user_attributes" VALUES(220,6,'training_bytes','45991936');
INSERT INTO "trial_user_attributes" VALUES(221,6,'seed','0');
INSERT INTO "trial_user_attributes" VALUES(222,6,'log','"studies/before-nouns/trials/5/log.txt"');
INSERT INTO "trial_user_attributes" VALUES(223,6,'result_key','"82b6a09bf37dfaf21d7b14105b1c927e"');
INSERT INTO "trial_user_attributes" VALUES(224,6,'device','"cpu: AMD EPYC"');
INSERT INTO "trial_user_attributes" VALUES(225,6,'latency_ms_p05','259.39312770024117');
INSERT INTO "trial_user_attributes" VALUES(226,6,'latency_ms_p50','375.67642299836734');
INSERT INTO "trial_user_attributes" VALUES(227,6,'latency_ms_p95','419.80862050186255');
INSERT INTO "trial_user_attributes" VALUES(228,6,'rtf','0.7513528459967347');
INSERT INTO "trial_user_attributes" VALUES(229,6,'latency_busy','0.8141151110256929');
INSERT INTO "trial_user_attributes" VALUES(230,6,'steps','6');
INSERT INTO "trial_user_attributes" VALUES(231,6,'train_seconds','4.598687335001159');
INSERT INTO "trial_user_attributes" VALUES(232,6,'rungs','[[0, 3, "usdr_db", -2.09998337610828], [0, 3, "usdr_db/band", -2.09998337610828], [0, 3, "usdr_db/vocals", -2.801518770098274], [0, 6, "usdr_db", -2.066725340121084], [0, 6, "usdr_db/band", -2.066725340121084], [0, 6, "usdr_db/vocals", -2.7650095872710967]]');
INSERT INTO "trial_user_attributes" VALUES(233,6,'rung:3','{"usdr_db": -2.09998337610828, "usdr_db/band": -2.09998337610828, "usdr_db/vocals": -2.801518770098274}');
INSERT INTO "trial_user_attributes" VALUES(234,6,'weights','"studies/before-nouns/trials/5/weights.safetensors"');
INSERT INTO "trial_user_attributes" VALUES(235,6,'scores','{"columns": ["seed", "split", "group", "track", "source", "metric", "value"], "rows": [[0, "validation", "band", "Faded Harbour - Without Gravity", "drums", "usdr_db", -2.018184590665253], [0, "validation", "band", "Faded Harbour - Without Gravity", "bass", "usdr_db", -1.0234323605013855], [0, "validation", "band", "Faded Harbour - Without Gravity", "other", "usdr_db", -0.9801292815507894], [0, "validation", "band", "Faded Harbour - Without Gravity", "vocals", "usdr_db", -0.8866146153946401], [0, "validation", "band", "Paper Canyon - Under Gravity", "drums", "usdr_db", -1.294436147312147], [0, "validation", "band", "Paper Canyon - Under Gravity", "bass", "usdr_db", -2.6194759269816767], [0, "validation", "band", "Paper Canyon - Under Gravity", "other", "usdr_db", -3.068125239415227], [0, "validation", "band", "Paper Canyon - Under Gravity", "vocals", "usdr_db", -4.6434045591475535]]}');
INSERT INTO "trial_user_attributes" VALUES(236,6,'floors','{"columns": ["split", "group", "track", "source", "metric", "value"], "rows": [["validation", "band", "Faded Harbour - Without Gravity", "drums", "usdr_db", -5.5422965712338765], ["validation", "band", "Faded Harbour - Without Gravity", "bass", "usdr_db", -4.8117609491881606], ["validation", "band", "Faded Harbour - Without Gravity", "other", "usdr_db", -6.198125827086142], ["validation", "band", "Faded Harbour - Without Gravity", "vocals", "usdr_db", -3.251694869462391], ["validation", "band", "Paper Canyon - Under Gravity", "drums", "usdr_db", 2.715356665040199], ["validation", "band", "Paper Canyon - Under Gravity", "bass", "usdr_db", -7.124001161443623], ["validation", "band", "Paper Canyon - Under Gravity", "other", "usdr_db", -9.511654589575727], ["validation", "band", "Paper Canyon - Under Gravity", "vocals", "usdr_db", -10.093357871154378]]}');
INSERT INTO "trial_user_attributes" VALUES(237,6,'usdr_db','-2.066725340121084');
INSERT INTO "trial_user_attributes" VALUES(238,6,'usdr_db/band','-2.066725340121084');
INSERT INTO "trial_user_attributes" VALUES(239,6,'usdr_db/vocals','-2.7650095872710967');
INSERT INTO "trial_user_attributes" VALUES(240,6,'rung:6','{"usdr_db": -2.066725340121084, "usdr_db/band": -2.066725340121084, "usdr_db/vocals": -2.7650095872710967}');
INSERT INTO "trial_user_attributes" VALUES(241,6,'cpu_seconds','9.053142256999998');
INSERT INTO "trial_user_attributes" VALUES(242,6,'peak_memory_bytes','1126981632');
INSERT INTO "trial_user_attributes" VALUES(243,6,'peak_memory_increase_bytes','128536576');
INSERT INTO "trial_user_attributes" VALUES(244,6,'peak_memory_method','"kernel high-water mark"');
INSERT INTO "trial_user_attributes" VALUES(245,6,'seconds','24.37784750799983');
INSERT INTO "trial_user_attributes" VALUES(246,6,'curve','[[1, 0.08632107079029083], [2, 0.07141655683517456], [3, 0.08692698180675507], [4, 0.07619333267211914], [5, 0.05937892198562622], [6, 0.05789443850517273]]');
CREATE TABLE trial_values (
	trial_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	value FLOAT, 
	value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_value_id), 
	UNIQUE (trial_id, objective), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_values" VALUES(1,1,0,-4.53806997477352,'FINITE');
INSERT INTO "trial_values" VALUES(2,1,1,380706032.0,'FINITE');
INSERT INTO "trial_values" VALUES(3,2,0,-2.7152817488077061192e+00,'FINITE');
INSERT INTO "trial_values" VALUES(4,2,1,476630472.0,'FINITE');
INSERT INTO "trial_values" VALUES(5,3,0,-4.53806997477352,'FINITE');
INSERT INTO "trial_values" VALUES(6,3,1,380706032.0,'FINITE');
INSERT INTO "trial_values" VALUES(7,5,0,-2.7152817488077061192e+00,'FINITE');
INSERT INTO "trial_values" VALUES(8,5,1,476630472.0,'FINITE');
INSERT INTO "trial_values" VALUES(9,6,0,-2.76500958727109669155e+00,'FINITE');
INSERT INTO "trial_values" VALUES(10,6,1,357314992.0,'FINITE');
CREATE TABLE trials (
	trial_id INTEGER NOT NULL, 
	number INTEGER, 
	study_id INTEGER, 
	state VARCHAR(8) NOT NULL, 
	datetime_start DATETIME, 
	datetime_complete DATETIME, 
	PRIMARY KEY (trial_id), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "trials" VALUES(1,0,1,'COMPLETE','2026-11-28 08:18:03.820909','2026-11-28 08:18:35.513811');
INSERT INTO "trials" VALUES(2,1,1,'COMPLETE','2026-11-28 08:18:35.584172','2026-11-28 08:19:08.099837');
INSERT INTO "trials" VALUES(3,2,1,'COMPLETE','2026-11-28 08:19:08.212508','2026-11-28 08:19:08.496839');
INSERT INTO "trials" VALUES(4,3,1,'PRUNED','2026-11-28 08:19:08.560369','2026-11-28 08:19:33.452044');
INSERT INTO "trials" VALUES(5,4,1,'COMPLETE','2026-11-28 08:19:33.563359','2026-11-28 08:19:33.828802');
INSERT INTO "trials" VALUES(6,5,1,'COMPLETE','2026-11-28 08:19:33.927753','2026-11-28 08:19:58.492368');
CREATE TABLE version_info (
	version_info_id INTEGER NOT NULL, 
	schema_version INTEGER, 
	library_version VARCHAR(256), 
	PRIMARY KEY (version_info_id), 
	CHECK (version_info_id=1)
);
INSERT INTO "version_info" VALUES(1,12,'5.0.0');
CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name);
CREATE INDEX ix_trials_study_id ON trials (study_id);
CREATE INDEX msdemucs_result_key ON trial_user_attributes (value_json) WHERE key = 'result_key';
COMMIT;
